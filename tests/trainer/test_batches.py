"""Batches end to end: nothing is lost or mixed, and the loss is that of the rows one by one."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from transformers import CONFIG_MAPPING, AutoModelForCausalLM, TrainingArguments  # noqa: E402

from banktuner_trainer.attention import MODELS, understands  # noqa: E402
from banktuner_trainer.batches import Padded, documents, end_to_end, pack  # noqa: E402
from banktuner_trainer.data.encode import IGNORED, Encoded  # noqa: E402
from banktuner_trainer.packed_trainer import PackedTrainer  # noqa: E402

VOCABULARY = 96
LENGTHS = (5, 31, 2, 17, 17, 9, 40, 3)
TOLERANCE = 1e-5
"""Of losses and gradients in float32, relative."""


def encoded(length: int, seed: int) -> Encoded:
    """Random tokens, the last third of them targets."""
    ids = torch.randint(3, VOCABULARY, (length,), generator=torch.Generator().manual_seed(seed)).tolist()
    prompt = length * 2 // 3
    return Encoded(ids, [IGNORED] * prompt + ids[prompt:])


ROWS = [encoded(length, seed) for seed, length in enumerate(LENGTHS)]


def small_model(family: str, **changes: Any) -> Any:
    torch.manual_seed(1)
    heads = {} if family == "gpt2" else {"num_key_value_heads": 2, "intermediate_size": 48}
    config = CONFIG_MAPPING[family](
        vocab_size=VOCABULARY,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=64,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        initializer_range=0.3,
        use_cache=False,
        **heads | {"embd_pdrop": 0.0, "attn_pdrop": 0.0, "resid_pdrop": 0.0} | changes,
    )
    return AutoModelForCausalLM.from_config(config, dtype=torch.float32)


def trainer(model: Any, folder: Path, packs: list[list[Encoded]], **settings: Any) -> PackedTrainer:
    arguments = {
        "learning_rate": 0.01,
        "max_grad_norm": 0.0,
        "use_cpu": True,
        "report_to": "none",
        "disable_tqdm": True,
    }
    args = TrainingArguments(str(folder), remove_unused_columns=False, save_strategy="no", **arguments | settings)
    return PackedTrainer(model=model, args=args, train_dataset=packs, data_collator=end_to_end)


def one_by_one(model: Any, rows: list[Encoded]) -> Any:
    """Mean loss of all targets, each row read alone by the model as transformers has it; gradients are left behind."""
    total = sum(row.targets for row in rows)
    losses = []
    for row in rows:
        logits = model(input_ids=torch.tensor([row.input_ids])).logits[0, :-1]
        labels = torch.tensor(row.labels[1:])
        losses.append(torch.nn.functional.cross_entropy(logits, labels, ignore_index=IGNORED, reduction="sum"))
    loss = sum(losses) / total
    loss.backward()
    return loss.detach()


def gradients(model: Any) -> dict[str, Any]:
    found = {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}
    model.zero_grad()
    return found


@pytest.mark.parametrize("family", sorted(MODELS))
def test_loss_and_gradients_end_to_end_are_those_of_the_rows_one_by_one(family: str, tmp_path: Path) -> None:
    model = small_model(family)
    expected = one_by_one(model, ROWS)
    wanted = gradients(model)
    packs = pack(ROWS, 48)
    loop = trainer(model, tmp_path, packs)
    loss = loop.training_step(model, end_to_end(packs), num_items_in_batch=torch.tensor(sum(r.targets for r in ROWS)))
    assert loss == pytest.approx(expected.item(), rel=TOLERANCE)
    got = gradients(model)
    assert got.keys() == wanted.keys()
    for name, gradient in wanted.items():
        torch.testing.assert_close(got[name], gradient, rtol=1e-3, atol=TOLERANCE, msg=name)


def test_gradient_checkpointing_computes_the_same_attention_again(tmp_path: Path) -> None:
    model = small_model("llama")
    expected = one_by_one(model, ROWS)
    wanted = gradients(model)
    model.gradient_checkpointing_enable({"use_reentrant": False})
    loop = trainer(model, tmp_path, [ROWS])
    loss = loop.training_step(model, end_to_end([ROWS]), num_items_in_batch=sum(row.targets for row in ROWS))
    assert loss == pytest.approx(expected.item(), rel=TOLERANCE)
    for name, gradient in gradients(model).items():
        torch.testing.assert_close(gradient, wanted[name], rtol=1e-3, atol=TOLERANCE, msg=name)


@pytest.mark.parametrize("family", sorted(MODELS))
def test_no_token_sees_another_document(family: str, tmp_path: Path) -> None:
    """What is said in one row changes nothing in any other: not the score of a single token."""
    model = small_model(family).eval()
    loop = trainer(model, tmp_path, [ROWS])
    changed = [encoded(len(ROWS[0].input_ids), 99), *ROWS[1:4], encoded(len(ROWS[4].input_ids), 98), *ROWS[5:]]
    with torch.no_grad():
        before, after = (scores(loop, model, rows) for rows in (ROWS, changed))
    places = [0, *torch.tensor([row.targets for row in ROWS]).cumsum(0).tolist()]
    same = [torch.equal(before[start:end], after[start:end]) for start, end in pairwise(places)]
    assert same == [False, True, True, True, False, True, True, True]


def scores(loop: PackedTrainer, model: Any, rows: list[Encoded]) -> Any:
    """Of the vocabulary, for each target of each row."""
    from banktuner_trainer.attention import within_documents

    with within_documents(model):
        _, outputs = loop.compute_loss(model, end_to_end([rows]), return_outputs=True)
    return outputs.logits


def test_the_model_attends_as_before_after_a_step(tmp_path: Path) -> None:
    """Evaluation and generation between two steps use the model's own attention, with its masks."""
    model = small_model("llama")
    before = model.config._attn_implementation
    trainer(model, tmp_path, [ROWS]).training_step(model, end_to_end([ROWS]), num_items_in_batch=1)
    assert model.config._attn_implementation == before == "sdpa"


def test_accumulation_and_packing_train_as_one_large_batch_does(tmp_path: Path) -> None:
    """The same rows in one step: all at once, two at a time, or packed; every target weighs the same."""
    weights = []
    for packs, size in (([[row] for row in ROWS], 8), ([[row] for row in ROWS], 2), (pack(ROWS, 62), 1)):
        model = small_model("llama")
        accumulate = -(-len(packs) // size)
        loop = trainer(
            model,
            tmp_path,
            packs,
            per_device_train_batch_size=size,
            gradient_accumulation_steps=accumulate,
            max_steps=1,
        )
        loss = loop.train().training_loss
        weights.append((loss, [weight.detach().clone() for weight in model.parameters()]))
    reference_loss, reference = weights[0]
    for loss, trained in weights[1:]:
        assert loss == pytest.approx(reference_loss, rel=TOLERANCE)
        for one, other in zip(trained, reference, strict=True):
            # Adam's first step goes by the sign of the gradient, which is chance where there is hardly any.
            assert (one - other).abs().gt(1e-3).float().mean() < 0.01


def test_packs_hold_every_row_once_and_no_more_than_fits() -> None:
    packs = pack(ROWS, 48)
    lengths = [sum(len(row.input_ids) for row in members) for members in packs]
    assert max(lengths) <= 48
    assert sorted(map(id, (row for members in packs for row in members))) == sorted(map(id, ROWS))
    assert len(packs) == 3  # 124 tokens: no fewer would do


def test_a_row_that_fills_a_pack_stands_alone() -> None:
    assert [len(members) for members in pack([encoded(48, 0), encoded(48, 1), encoded(1, 2)], 48)] == [1, 1, 1]


def test_documents_of_about_one_length_are_padded_together() -> None:
    """The padding of attention is bounded: a group's longest document is less than twice as long as its shortest."""
    back, *gathers = documents(LENGTHS)
    assert sum(gather.shape[0] for gather in gathers) == len(LENGTHS)
    assert sum(gather.numel() for gather in gathers) < 2 * sum(LENGTHS)
    places = torch.cat([gather.flatten() for gather in gathers])
    assert torch.equal(places[back], torch.arange(sum(LENGTHS)))


def test_padding_carries_no_loss_and_no_attention() -> None:
    features = [{"input_ids": row.input_ids, "labels": row.labels} for row in ROWS[:2]]
    batch = Padded(0)(features)
    assert {name: tuple(value.shape) for name, value in batch.items()} == dict.fromkeys(batch, (2, 31))
    assert batch["attention_mask"].sum(1).tolist() == [5, 31]
    assert batch["labels"][0, 5:].eq(IGNORED).all()
    assert batch["input_ids"][0, :5].tolist() == ROWS[0].input_ids


def test_models_that_look_back_less_far_than_a_row_is_long_are_not_laid_end_to_end() -> None:
    assert understands(small_model("mistral", sliding_window=40), 40)
    assert not understands(small_model("mistral", sliding_window=39), 40)
    assert not understands(small_model("opt", ffn_dim=48, word_embed_proj_dim=32), 10)
