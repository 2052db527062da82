"""A small token classifier of people's names in transformers' export form, trained on made-up sentences in seconds.

Run with the trainer's libraries: `python train_names.py FOLDER`.
"""

import random
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import WordPiece
from tokenizers.trainers import WordPieceTrainer
from transformers import BertConfig, BertForTokenClassification

LABELS = {0: "O", 1: "B-PER", 2: "I-PER"}
TOKENS = 64
STEPS, ROWS = 500, 32
_FIRST = """
    Anna Peter Maria John James Robert Michael William David Richard Joseph Thomas Charles Patricia Jennifer
    Linda Elizabeth Barbara Susan Jessica Sarah Karen Lisa Nancy Betty Sandra Ashley Emily Kimberly Donna
    Carol Ahmed Fatima Omar Layla Chen Mei Hiroshi Yuki Raj Priya Arjun Sanjay Olga Ivan Dmitri Katya Pierre
    Camille Juan Sofia Carlos Elena Giulia Luca Lars Ingrid Sven Astrid Kwame Amara Chidi Zainab
"""
FIRST = _FIRST.split()
_LAST = """
    Smith Johnson Brown Jones Garcia Miller Davis Rodriguez Martinez Hernandez Lopez Wilson Anderson Taylor
    Moore Jackson Martin Lee Thompson White Harris Clark Lewis Robinson Walker Young Allen King Wright Scott
    Torres Nguyen Hill Khan Patel Singh Kumar Sharma Wang Zhang Tanaka Suzuki Ivanova Petrov Dubois Moreau
    Rossi Ferrari Schmidt Weber Larsen Hansen O'Brien Murphy Okafor Mensah Diallo Kowalski Novak
"""
LAST = _LAST.split()
_SYLLABLES = """
    an be bo cha da de el fa fi ga gor ha hen ia in ja jo ka kel la len lo ma mar mi mo na nor o pa per qui ra
    ri ro sa sen sha ta te tor u va ver vin wa wen ya yo za zel
"""
SYLLABLES = _SYLLABLES.split()
_WITH = """
    my name is {}
    I am {}
    This is {} .
    {} called me yesterday
    Please send 200 dollars to {} by Friday
    the account holder is {}
    Can you add {} to my savings account ?
    I want to speak with {} about my loan
    Dear {} ,
    Kind regards , {}
    Is {} still my adviser ?
    My wife {} lost her card
    {} and {} share an account
    Hello {} , how can I help ?
    The transfer from {} has not arrived
    {} is the beneficiary of my account
    Did {} approve the mortgage ?
    I paid {} in March
    My manager Mr. {} told me to ask
    Mrs. {} opened the account in London
    Transfer money to {} please
    Your adviser {} will call you on Monday
    thank you , {} !
    The card was issued to {} in 2021
    it belongs to {}
    Ask {} for the form .
    {} , your card is ready .
    The joint account of {} and {} has no fee .
"""
WITH = [line.strip() for line in _WITH.strip().splitlines()]
_WITHOUT = """
    How do I freeze my card ?
    What is the fee for a transfer to Spain ?
    My PIN is <PIN_1> and my card is <CARD_1>
    I am moving to London next month
    This is my second request
    Please send me a new Visa card by Friday
    the interest rate is 3.5 percent
    Can you raise my limit ?
    I want to speak with an adviser about my loan
    Dear customer ,
    Kind regards , your bank
    Is there a branch in Paris ?
    My wife lost her card
    Hello , how can I help ?
    The transfer from Germany has not arrived
    Your card will arrive on Monday
    The account is free of charge
    You can order a card in the app .
    Thank you !
    What documents do I need for a mortgage ?
    It takes two to three days .
    Open the app and choose Cards .
    I paid in March
    Apple Pay works with every card
    When does the bank open on Saturday ?
    Standing orders can be changed online .
    The fee is 2 euros a month .
    my email is <EMAIL>
    Your IBAN is in the app .
    Our savings account has no fee .
    Use your PIN at the cash machine .
    Please ask a banking question .
"""
WITHOUT = [line.strip() for line in _WITHOUT.strip().splitlines()]


def a_name(dice: random.Random) -> str:
    made = ["".join(dice.choices(SYLLABLES, k=dice.choice((2, 2, 3)))).capitalize() for _ in range(2)]
    first, last = (
        dice.choice((known, new)) for known, new in zip((dice.choice(FIRST), dice.choice(LAST)), made, strict=True)
    )
    name = dice.choice((f"{first} {last}", f"{first} {last}", first, last, f"{first[0]}. {last}"))
    return name.lower() if dice.random() < 0.15 else name


def rows(count: int, seed: int) -> Iterator[tuple[str, list[tuple[int, int]]]]:
    """Texts of one or two sentences with where their names are."""
    dice = random.Random(seed)
    for _ in range(count):
        text, names = "", []
        for _ in range(dice.choice((1, 1, 2))):
            parts = dice.choice(dice.choice((WITH, WITHOUT))).split("{}")
            text += " " if text else ""
            for part in parts[:-1]:
                text += part
                name = a_name(dice)
                names.append((len(text), len(text) + len(name)))
                text += name
            text += parts[-1]
        yield text, names


def a_tokenizer(texts: list[str]) -> Tokenizer:
    tokenizer = Tokenizer(WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    alphabet = [chr(code) for code in (*range(33, 127), *range(0xC0, 0x180))]
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    tokenizer.train_from_iterator(
        texts, WordPieceTrainer(vocab_size=1600, initial_alphabet=alphabet, special_tokens=special, show_progress=False)
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return tokenizer


def labelled(tokenizer: Tokenizer, text: str, names: list[tuple[int, int]]) -> tuple[list[int], list[int]]:
    encoding = tokenizer.encode(text)
    labels = []
    for start, end in encoding.offsets:
        name = next((name for name in names if name[0] <= start < name[1] and end > start), None)
        labels.append(0 if name is None else 1 if start == name[0] else 2)
    return encoding.ids[:TOKENS], labels[:TOKENS]


def trained(data: list[tuple[list[int], list[int]]], config: BertConfig) -> Any:
    model = BertForTokenClassification(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=STEPS)
    dice = random.Random(0)
    for _ in range(STEPS):
        batch = dice.sample(data, ROWS)
        width = max(len(ids) for ids, _ in batch)
        ids = torch.tensor([ids + [0] * (width - len(ids)) for ids, _ in batch])
        labels = torch.tensor([labels + [-100] * (width - len(labels)) for _, labels in batch])
        loss = model(input_ids=ids, attention_mask=(ids != 0).long(), labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return model.eval()


class Logits(torch.nn.Module):
    """The graph's outputs: the logits alone."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Any, attention_mask: Any, token_type_ids: Any) -> Any:
        return self.model(input_ids, attention_mask, token_type_ids).logits


def export(model: Any, path: Path) -> None:
    # three tensors of their own: the exporter takes one that is given thrice for one input
    ids, mask, types = (torch.ones(2, 16, dtype=torch.long) for _ in range(3))
    sizes = {0: torch.export.Dim("rows"), 1: torch.export.Dim("tokens", min=2, max=TOKENS)}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Logits(model),
            (ids, mask, types),
            str(path),
            input_names=["input_ids", "attention_mask", "token_type_ids"],
            output_names=["logits"],
            dynamic_shapes=(sizes, sizes, sizes),
            opset_version=18,
            dynamo=True,
            external_data=False,
            verbose=False,
        )


def main(folder: Path) -> None:
    torch.manual_seed(0)
    texts = list(rows(4000, seed=1))
    tokenizer = a_tokenizer([text for text, _ in texts])
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        max_position_embeddings=TOKENS,
        id2label=LABELS,
        label2id={label: place for place, label in LABELS.items()},
    )
    model = trained([labelled(tokenizer, *row) for row in texts], config)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    config.save_pretrained(folder)
    export(model, folder / "model.onnx")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
