"""Numbers of the run for TensorBoard, MLflow and W&B. A tracker that is down, or breaks, never fails a job."""
