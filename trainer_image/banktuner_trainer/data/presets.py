"""Task presets: for each kind of instruction data its usual columns, the instruction that rows lack, its metrics."""

from dataclasses import dataclass

from banktuner_api.finetunejob_data import Preset


@dataclass(frozen=True)
class Part:
    """A piece of the input: its usual column names, the likeliest first, and its heading beside other pieces."""

    heading: str
    columns: tuple[str, ...]
    required: bool = True


@dataclass(frozen=True)
class TaskPreset:
    """How rows of one kind become instruction, input and output.

    `instruction` stands where a row brings none in a column `instruction`. `output` are the usual names of the answer's
    column. `metrics` are those that tell most about answers of this kind, by their names in result.json.
    """

    instruction: str
    parts: tuple[Part, ...]
    output: tuple[str, ...]
    metrics: tuple[str, ...]


PRESETS: dict[Preset, TaskPreset] = {
    Preset.SQL_GENERATION: TaskPreset(
        instruction="Write one SQL query that answers the question. Use only the tables and columns of the schema.",
        parts=(
            Part("Schema", ("schema", "context", "sql_context", "create_table", "ddl"), required=False),
            Part("Question", ("question", "sql_prompt", "prompt", "utterance", "nl", "input")),
        ),
        output=("sql", "query", "answer", "output", "completion", "response"),
        metrics=("sql_match", "exact_match", "bleu"),
    ),
    Preset.CODE_REVIEW: TaskPreset(
        instruction="Review this code. Name its defects and risks, and say how to mend each.",
        parts=(
            Part("Task", ("task", "description", "title"), required=False),
            Part("Code", ("code", "diff", "patch", "snippet", "function", "input")),
        ),
        output=("review", "comment", "msg", "feedback", "answer", "output", "completion", "response"),
        metrics=("rouge_l", "bleu", "semantic_similarity"),
    ),
    Preset.TECHNICAL_QUESTIONS: TaskPreset(
        instruction="Answer this technical question correctly and to the point.",
        parts=(
            Part("Context", ("context", "passage", "document"), required=False),
            Part("Question", ("question", "query", "prompt", "title", "input")),
        ),
        output=("answer", "response", "output", "completion"),
        metrics=("semantic_similarity", "bertscore_f1", "rouge_l", "response_relevance"),
    ),
    Preset.SUMMARIZATION: TaskPreset(
        instruction="Summarize this text in a few sentences.",
        parts=(Part("Text", ("text", "document", "article", "dialogue", "passage", "content", "input")),),
        output=("summary", "highlights", "abstract", "output", "completion", "response"),
        metrics=("rouge_1", "rouge_2", "rouge_l", "bertscore_f1"),
    ),
}
