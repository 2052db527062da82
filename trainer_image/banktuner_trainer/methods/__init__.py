"""How weights change: one module a method, and the table of them."""

from banktuner_api.finetunejob_methods import Method
from banktuner_trainer.methods import bottleneck, full, ia3, lora, peft_files, prefix, qlora
from banktuner_trainer.methods.base import TuningMethod, plain_weights

METHODS: dict[Method, TuningMethod] = {
    Method.LORA: TuningMethod(
        quantization=plain_weights,
        wrap=lora.wrap,
        save=peft_files.save,
        load=peft_files.load,
        merge=peft_files.merge,
        without=peft_files.without,
    ),
    Method.QLORA: TuningMethod(
        quantization=qlora.quantization,
        wrap=qlora.wrap,
        save=peft_files.save,
        load=qlora.load,
        merge=peft_files.merge,
        without=peft_files.without,
    ),
    Method.IA3: TuningMethod(
        quantization=plain_weights,
        wrap=ia3.wrap,
        save=peft_files.save,
        load=peft_files.load,
        merge=peft_files.merge,
        without=peft_files.without,
    ),
    Method.PREFIX_TUNING: TuningMethod(
        quantization=plain_weights,
        wrap=prefix.wrap,
        save=peft_files.save,
        load=prefix.load,
        merge=None,
        without=prefix.without,
        packs=False,
    ),
    Method.ADAPTER: TuningMethod(
        quantization=plain_weights,
        wrap=bottleneck.wrap,
        save=bottleneck.save,
        load=bottleneck.load,
        merge=None,
        without=bottleneck.without,
    ),
    Method.FULL: TuningMethod(
        quantization=plain_weights, wrap=full.wrap, save=full.save, load=None, merge=None, without=None
    ),
}
