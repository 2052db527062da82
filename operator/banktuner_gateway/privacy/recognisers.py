"""The bank's recognisers as Presidio has them, and the engine that asks them; no language model is loaded."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from presidio_analyzer import AnalyzerEngine, LocalRecognizer, RecognizerRegistry, RecognizerResult
from presidio_analyzer.context_aware_enhancers import ContextAwareEnhancer
from presidio_analyzer.nlp_engine import NoOpNlpEngine

from banktuner_gateway.privacy.cards import find_cards
from banktuner_gateway.privacy.emails import find_emails
from banktuner_gateway.privacy.ibans import find_ibans
from banktuner_gateway.privacy.numbers import SCORES, find_numbers
from banktuner_gateway.privacy.spans import Span

LANGUAGE = "en"
Finder = Callable[[str], Iterable[Span]]


def find_financial(text: str) -> Iterator[Span]:
    """Cards and IBANs, and of other numbers those that are not within one of them."""
    certain = [*find_cards(text), *find_ibans(text)]
    yield from certain
    yield from find_numbers(text, certain)


BUILT_IN: tuple[tuple[Finder, tuple[str, ...]], ...] = (
    (find_emails, ("EMAIL",)),
    (find_financial, ("CARD", "IBAN", *SCORES)),
)


class BankRecogniser(LocalRecognizer):
    """Finds with one function of ours."""

    def __init__(self, find: Finder, kinds: Sequence[str]) -> None:
        self._find = find
        self._first_kind = kinds[0]
        super().__init__(supported_entities=list(kinds), name=kinds[0])

    def load(self) -> None:
        """Nothing to load."""

    def analyze(self, text: str, entities: list[str], nlp_artifacts: Any) -> list[RecognizerResult]:
        """Presidio's entry."""
        del entities, nlp_artifacts
        metadata = {
            RecognizerResult.RECOGNIZER_NAME_KEY: self._first_kind,
            RecognizerResult.RECOGNIZER_IDENTIFIER_KEY: self.id,
        }
        return [
            RecognizerResult(span.kind, span.start, span.end, span.score, recognition_metadata=metadata)
            for span in self._find(text)
        ]


class NoEnhancer(ContextAwareEnhancer):
    """Leaves the scores alone: our recognisers have read the words around already."""

    def __init__(self) -> None:
        super().__init__(0, 0, 0, 0)

    def enhance_using_context(self, text: str, raw_results: Any, *args: Any, **kwargs: Any) -> Any:
        """Presidio's entry."""
        del text, args, kwargs
        return raw_results


class Recognisers:
    """Presidio's engine over the built-in kinds and `extra` ones; may be shared by threads."""

    def __init__(self, extra: Iterable[tuple[Finder, tuple[str, ...]]] = ()) -> None:
        recognisers = [BankRecogniser(find, kinds) for find, kinds in (*BUILT_IN, *extra)]
        registry = RecognizerRegistry(recognizers=recognisers, supported_languages=[LANGUAGE])
        nlp_engine = NoOpNlpEngine([{"lang_code": LANGUAGE, "model_name": ""}])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            self._engine = AnalyzerEngine(
                registry=registry,
                nlp_engine=nlp_engine,
                supported_languages=[LANGUAGE],
                context_aware_enhancer=NoEnhancer(),
            )
        # Given along, so that nothing is made anew for each text.
        self._no_artifacts = nlp_engine.process_text("", LANGUAGE)
        self.kinds = [kind for recogniser in recognisers for kind in recogniser.supported_entities]

    def find(self, text: str) -> Iterator[Span]:
        """What is found in normalised text; spans may overlap."""
        for result in self._engine.analyze(text, LANGUAGE, entities=self.kinds, nlp_artifacts=self._no_artifacts):
            yield Span(result.entity_type, result.start, result.end, result.score)
