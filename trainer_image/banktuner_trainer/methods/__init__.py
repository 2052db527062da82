"""How weights change: one module a method, and the table of them."""

from banktuner_api.finetunejob_methods import Method
from banktuner_trainer.methods import full, lora, qlora
from banktuner_trainer.methods.base import TuningMethod

METHODS: dict[Method, TuningMethod] = {
    Method.LORA: TuningMethod(lora.quantization, lora.wrap, frozen_base=True),
    Method.QLORA: TuningMethod(qlora.quantization, qlora.wrap, frozen_base=True),
    Method.FULL: TuningMethod(full.quantization, full.wrap, frozen_base=False),
}
