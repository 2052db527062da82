{{- define "banktuner.name" -}}
{{- if contains "banktuner" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-banktuner" .Release.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "banktuner.selector" -}}
app.kubernetes.io/name: banktuner
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}

{{- define "banktuner.labels" -}}
{{ include "banktuner.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "banktuner.agentHost" -}}
{{ include "banktuner.name" . }}-agent.{{ .Release.Namespace }}.svc
{{- end }}

{{- define "banktuner.tlsSecret" -}}
{{ .Values.agent.tlsSecret | default (printf "%s-agent-tls" (include "banktuner.name" .)) }}
{{- end }}

{{- /* What the operator reads at start; see banktuner_operator/settings.py. */}}
{{- define "banktuner.settings" -}}
{{- $settings := dict
  "images" .Values.images
  "imagePullPolicy" .Values.imagePullPolicy
  "imagePullSecrets" .Values.imagePullSecrets
  "defaultEngine" .Values.defaultEngine
  "profiles" .Values.profiles
  "network" .Values.network
  "agentUrl" (printf "https://%s:%v" (include "banktuner.agentHost" .) .Values.agent.port)
  "namespace" .Release.Namespace
  "watchNamespaces" .Values.watchNamespaces
  "retrySeconds" .Values.operator.retrySeconds
  "workers" .Values.operator.workers
  "resyncSeconds" .Values.operator.resyncSeconds
}}
{{- toPrettyJson $settings }}
{{- end }}

{{- /* Rights inside the namespaces of custom resources: exactly the verbs that the operator uses. No Secrets. */}}
{{- define "banktuner.rules" -}}
- apiGroups: [banktuner.dev]
  resources: [finetunejobs]
  verbs: [get, list, watch, delete] # delete: ttlSecondsAfterFinished
- apiGroups: [banktuner.dev]
  resources: [bankingmodels]
  verbs: [get, list, watch]
- apiGroups: [banktuner.dev]
  resources: [finetunejobs/status, bankingmodels/status]
  verbs: [get, patch]
- apiGroups: [banktuner.dev]
  resources: [finetunejobs/finalizers, bankingmodels/finalizers]
  verbs: [update] # for owner references that block deletion, where the cluster enforces this right
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, delete] # delete: a BankingModel that no longer asks for its chat page
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, watch, create, patch]
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch]
- apiGroups: [apps]
  resources: [replicasets]
  verbs: [get, list]
- apiGroups: [""]
  resources: [events]
  verbs: [list, create]
{{- end }}
