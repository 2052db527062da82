# ruff: noqa: E402
"""How models are asked: answers, likelihoods, closed sets of intents, a sentence encoder; random weights suffice."""

import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

import numpy as np
from transformers import AutoModelForCausalLM, LlamaConfig

from banktuner_api.finetunejob_data import Architecture, Preset
from banktuner_trainer.data.encode import Encoded
from banktuner_trainer.data.forms import Conversation, OutOfScopeKind
from banktuner_trainer.errors import TrainerError
from banktuner_trainer.evaluate import perplexity, pictures, safety, suites
from banktuner_trainer.evaluate.encoder import Encoder
from banktuner_trainer.evaluate.generate import Answers, Writer, answer_limit, batches, writer_for
from banktuner_trainer.evaluate.intent import confusion
from banktuner_trainer.evaluate.labels import Label, Trie, check_closed, choose, labels_of
from banktuner_trainer.evaluate.questions import Question, questions, sample
from banktuner_trainer.evaluate.similarity import bertscore_f1, cosines
from banktuner_trainer.models import ensure_chat_template
from banktuner_trainer.scratch_model import train_tokenizer
from tests.trainer.harness import run_config

LABELS = ["card lost", "card", "loan rate", "transfer"]
LENGTH = 96


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    made = train_tokenizer([f"please help me with my {label}" for label in LABELS], Architecture(vocabulary_size=320))
    ensure_chat_template(made)
    return made


@pytest.fixture(scope="module")
def model(tokenizer: Any) -> Any:
    torch.manual_seed(3)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=LENGTH,
        initializer_range=0.3,
    )
    made = AutoModelForCausalLM.from_config(config)
    made.train()
    return made


@pytest.fixture(scope="module")
def asked(tokenizer: Any) -> list[Question]:
    texts = [f"please {'please ' * (index % 4)}help me number {index}" for index in range(12)]
    return questions(tokenizer, [row(text, LABELS[index % 4]) for index, text in enumerate(texts)], LENGTH)


@pytest.fixture(autouse=True)
def unchanged(model: Any) -> Iterator[None]:
    """Asking a model leaves it as it was."""
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    yield
    assert model.training
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())


def row(text: str, answer: str) -> Conversation:
    return Conversation(1, [{"role": "user", "content": text}, {"role": "assistant", "content": answer}])


def greedy(model: Any, prompt: list[int], count: int, stops: list[int], trie: Trie | None = None) -> list[int]:
    """By hand: one prompt, no cache, no padding."""
    said: list[int] = []
    model.eval()
    with torch.inference_mode():
        while len(said) < count and not (said and said[-1] in stops):
            logits = model(input_ids=torch.tensor([prompt + said]), use_cache=False).logits[0, -1]
            if trie is not None:
                banned = torch.ones_like(logits, dtype=torch.bool)
                banned[trie.allowed(said)] = False
                logits = logits.masked_fill(banned, -torch.inf)
            said.append(int(logits.argmax()))
    model.train()
    return said[:-1] if said and said[-1] in stops else said


def test_a_question_ends_where_the_answer_begins(tokenizer: Any) -> None:
    turns = [
        {"role": "user", "content": "help"},
        {"role": "assistant", "content": "card"},
        {"role": "user", "content": "please"},
        {"role": "assistant", "content": "loan rate"},
    ]
    [found] = questions(tokenizer, [Conversation(1, turns)], LENGTH)
    assert (found.text, found.reference) == ("please", "loan rate")
    assert tokenizer.decode(found.target) == "loan rate</s>"
    assert tokenizer.decode(found.prompt).endswith("please\n\n### Response:\n")
    assert questions(tokenizer, [Conversation(1, turns)], len(found.prompt) + len(found.target) - 1) == []


def test_samples_repeat_and_keep_their_order() -> None:
    rows = list(range(100))
    assert sample(rows, 100, seed=1) == rows
    assert sample(rows, 10, seed=1) == sorted(sample(rows, 10, seed=1)) == sample(rows, 10, seed=1)
    assert sample(rows, 10, seed=1) != sample(rows, 10, seed=2)


def test_answers_in_batches_are_those_of_each_prompt_alone(model: Any, tokenizer: Any, asked: list[Question]) -> None:
    writer = writer_for(model, tokenizer, asked, LENGTH)
    told: list[int] = []
    made = writer.answer(model, [question.prompt for question in asked], 12, told=told.append)
    assert made.ids == [greedy(model, question.prompt, 12, writer.stops) for question in asked]
    assert len({tuple(ids) for ids in made.ids}) > 6  # the model tells the prompts apart
    assert sum(told) == len(asked)
    assert made.seconds > 0


def test_an_answer_ends_at_the_token_that_ends_right_ones(model: Any, tokenizer: Any, asked: list[Question]) -> None:
    writer = writer_for(model, tokenizer, asked, LENGTH)
    assert writer.stops == [tokenizer.eos_token_id, model.config.eos_token_id] or writer.stops == [1, 2]
    free = greedy(model, asked[0].prompt, 12, [])
    stopped = Writer(tokenizer, [free[3]], LENGTH).answer(model, [asked[0].prompt], 12)
    end = free.index(free[3])
    assert stopped.ids == [free[:end]]
    assert stopped.tokens == end + 1  # the end token is made too
    assert writer.answer(model, [asked[0].prompt], 500).tokens <= LENGTH - len(asked[0].prompt)


def test_batches_are_bounded_and_of_about_one_length() -> None:
    lengths = [5, 100, 6, 4000, 101] + [10] * 70
    made = list(batches(lengths, 20))
    assert sorted(place for batch in made for place in batch) == list(range(75))
    assert [len(batch) for batch in made] == [64, 10, 1]
    assert made[-1] == [3]
    assert answer_limit([]) == 16
    assert answer_limit([Question([], "", "", [1] * 100)]) == 125
    assert answer_limit([Question([], "", "", [1] * 5000)]) == 512


def test_a_model_that_knows_nothing_is_as_perplexed_as_its_vocabulary_is_large(model: Any, tokenizer: Any) -> None:
    rows = [Encoded([4, 5, 6, 7], [-100, -100, 6, 7]), Encoded([9, 8], [-100, 8])]
    saved = model.lm_head.weight.detach().clone()
    with torch.no_grad():
        model.lm_head.weight.zero_()  # every token is as likely as any other
        measured = perplexity.measure(model, rows, tokenizer.pad_token_id)
        likelihoods = perplexity.mean_log_likelihoods(model, rows, tokenizer.pad_token_id)
        model.lm_head.weight.copy_(saved)
    assert measured.targets == 3
    assert measured.perplexity == pytest.approx(len(tokenizer), rel=1e-5)
    assert likelihoods == pytest.approx([-math.log(len(tokenizer))] * 2, rel=1e-5)


def test_likelihoods_come_in_the_order_of_the_rows(model: Any, tokenizer: Any) -> None:
    rows = [Encoded([4, *range(7, 6 + count)], [-100, *range(7, 6 + count)]) for count in (9, 3, 6)]
    together = perplexity.mean_log_likelihoods(model, rows, tokenizer.pad_token_id)
    alone = [perplexity.mean_log_likelihoods(model, [row], tokenizer.pad_token_id)[0] for row in rows]
    assert together == pytest.approx(alone, rel=1e-4)
    assert len({round(value, 3) for value in together}) == 3


def test_a_trie_allows_what_goes_on_a_label() -> None:
    trie = Trie([Label("a b", (1, 2, 0)), Label("a", (1, 0)), Label("c", (3, 0))])
    assert trie.allowed([]) == [1, 3]
    assert trie.allowed([1]) == [2, 0]
    assert trie.allowed([1, 2]) == [0]
    assert trie.allowed([1, 2, 0]) == trie.allowed([7]) == []


def test_only_labels_are_chosen_and_greedily(model: Any, tokenizer: Any, asked: list[Question]) -> None:
    writer = writer_for(model, tokenizer, asked, LENGTH)
    labels = labels_of(asked, writer.stops)
    assert [label.text for label in labels] == sorted(LABELS)
    prompts = [[*question.prompt, 7 * place + 5] for place, question in enumerate(asked)]
    chosen = choose(writer, model, prompts, labels, lambda rows: None)
    by_ids = {label.ids[:-1]: label.text for label in labels}
    trie = Trie(labels)
    by_hand = [by_ids[tuple(greedy(model, prompt, 20, writer.stops, trie))] for prompt in prompts]
    assert chosen == by_hand
    assert len(set(chosen)) > 1


@pytest.mark.parametrize("count", [0, 1, 257])
def test_answers_that_are_no_closed_set_are_refused(count: int) -> None:
    with pytest.raises(TrainerError) as refused:
        check_closed(count)
    assert refused.value.field == "spec.evaluation.suites"
    assert f"these rows have {count}" in refused.value.message


def test_an_attack_comes_with_its_system_message(tokenizer: Any) -> None:
    attack = next(one for one in safety.load_attacks() if one.system is not None)
    question = safety.ask(tokenizer, attack, 10_000)
    assert question is not None
    assert str(attack.system) in tokenizer.decode(question.prompt)
    assert safety.ask(tokenizer, attack, 10) is None
    template = tokenizer.chat_template
    try:
        tokenizer.chat_template = (
            "{% if messages[0]['role'] == 'system' %}{{ raise_exception('none') }}{% endif %}" + template
        )
        merged = safety.ask(tokenizer, attack, 10_000)
    finally:
        tokenizer.chat_template = template
    assert merged is not None
    assert f"{attack.system}\n\n{attack.prompt}" in tokenizer.decode(merged.prompt)


def test_an_encoder_gives_a_text_the_same_vector_in_any_company(encoder: Path) -> None:
    made = Encoder(encoder, cuda=False)
    texts = ["please help me", "", "my card number 3 is lost, please help me with my card", "my loan"]
    together = made.sentences(texts)
    assert together.shape == (4, 64)
    for index, text in enumerate(texts):
        np.testing.assert_allclose(made.sentences([text])[0], together[index], atol=1e-5)
    same, other = cosines(together[[0, 0]], together[[0, 3]])
    assert same == pytest.approx(1)
    assert other < 0.999
    tokens = made.tokens(texts)
    assert bertscore_f1(tokens[0], tokens[0]) == pytest.approx(1, abs=1e-5)
    assert bertscore_f1(tokens[0], tokens[1]) == 0
    assert tokens[0].weights[0] == 0  # the token that begins a text
    assert made.layer == 2  # three quarters of 2 layers, rounded up
    assert made.sentences([]).shape == (0, 64)


def test_an_encoder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainerError) as refused:
        Encoder(tmp_path, cuda=False)
    assert refused.value.field == "spec.evaluation.encoder.uri"


def answers_to(pairs: list[tuple[str, str]]) -> suites.Asked:
    """(reference, answer) pairs, as if a model had said them."""
    asked = [Question([], "?", reference, []) for reference, _ in pairs]
    return suites.Asked(asked, [answer for _, answer in pairs], Answers([], 1, 1.0))


def test_what_is_measured_of_answers_depends_on_what_they_are() -> None:
    pairs = [("the fee is 5 dollars", "5 dollars"), ("SELECT a", "select  A;")]
    values, details = suites.quality(answers_to(pairs), None, None)
    assert set(values) == {"exact_match", "bleu", "rouge_1", "rouge_2", "rouge_l", "token_f1", "entity_f1"}
    assert (values["exact_match"], values["entity_f1"]) == (0, 1)
    assert details["answers"] == 2
    values, _ = suites.quality(answers_to(pairs[1:]), None, Preset.SQL_GENERATION)
    assert values["sql_match"] == 1
    assert "entity_f1" not in values


def test_refusals_decide_the_scope_and_likelihoods_rank_it(model: Any, tokenizer: Any) -> None:
    def question(prompt: list[int], kind: OutOfScopeKind | None) -> Question:
        return Question(prompt, "?", "", [], kind)

    kinds = [None, None, OutOfScopeKind.GENERAL, OutOfScopeKind.GENERAL]
    asked = [question([4, 9 * place + 5], kind) for place, kind in enumerate(kinds)]
    refusal = "Only banking, please."
    said = suites.Asked(asked, ["5 dollars", refusal, f"No. {refusal}", "4"], Answers([], 1, 1.0))
    run = run_config(
        "Instruction", "LoRA", dataset={"train": {"uri": "s3://b/x"}, "format": "Alpaca", "refusal": refusal}
    )
    values = suites.scope(model, said, [7, 8, 1], run, tokenizer.pad_token_id)
    assert values["scope_accuracy"] == 0.5
    assert values["out_of_scope_recall"] == 0.5
    rows = [Encoded([4, 9 * place + 5, 7, 8, 1], [-100, -100, 7, 8, 1]) for place in range(4)]
    own1, own2, other1, other2 = perplexity.mean_log_likelihoods(model, rows, tokenizer.pad_token_id)
    in_order = [other1 > own1, other1 > own2, other2 > own1, other2 > own2]
    assert values["scope_auroc"] == sum(in_order) / 4


def test_pictures_grow_with_the_labels(tmp_path: Path) -> None:
    def size(path: Path) -> tuple[int, int]:
        return struct.unpack(">II", path.read_bytes()[16:24])

    few = confusion(["card", "loan"], ["loan", "loan"])
    many = confusion([f"label {n}" for n in range(77)], [f"label {n - n % 2}" for n in range(77)])
    pictures.confusion_picture(few, tmp_path / "few.png")
    pictures.confusion_picture(many, tmp_path / "many.png")
    pictures.confusion_picture(confusion(["a"], ["a"]), tmp_path / "right.png")  # no pair is confused
    prices = [
        "fee_$5_$10",
        "$5% of $100",
        "The fee is $30 & 2% of $5_000.",
    ]  # formulas, to a library that looks for them
    pictures.confusion_picture(confusion(prices, [*prices[1:], prices[0]]), tmp_path / "prices.png")
    assert size(tmp_path / "many.png")[1] > 77 * 18  # room for a line of text a label
    assert size(tmp_path / "few.png")[1] < 800
    pictures.loss_picture([(1, 2.5), (2, 1.5)], tmp_path / "loss.png")
    assert size(tmp_path / "loss.png") > (400, 200)
