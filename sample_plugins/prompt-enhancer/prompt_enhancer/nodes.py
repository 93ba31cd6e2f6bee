"""Nodes that have prompts rewritten."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

from prompt_enhancer.settings import MODEL, BadSettings, read_settings
from sdk import Multiline, NodeContext, NodeError, NodeResult, NodeType, Range, Seed, hookimpl, node

if TYPE_CHECKING:
    from prompt_enhancer.chat import Answer

CATEGORY = "text/prompt enhancer"
INSTRUCTIONS = (
    "You write prompts for a text-to-image model. Rewrite the user's text as one such prompt: keep all that it names, "
    "add light, composition and style. Answer with the prompt alone."
)
_NAP = 0.05


@node(
    id="EnhancePrompt", title="Enhance prompt", category=CATEGORY, names=["prompt", "cost"], returns=tuple[str, float]
)
def enhance_prompt(
    context: NodeContext,
    text: Annotated[str, Multiline()] = "a lighthouse at dusk",
    instructions: Annotated[str, Multiline()] = INSTRUCTIONS,
    model: str = "",
    temperature: Annotated[float, Range(0, 2, 0.05)] = 0.7,
    most_tokens: Annotated[int, Range(16, 8192)] = 300,
    seed: Annotated[int, Seed()] = 0,
) -> NodeResult:
    """Have a language model rewrite a prompt. Equal inputs are asked about once; change the seed for another answer.

    Where the endpoint is, and its key, stand in the environment of the host.

    Args:
        text: The prompt as you would say it.
        instructions: What the model is told to do with it.
        model: Its name at the endpoint; empty for the one in PROMPT_ENHANCER_MODEL.
        temperature: 0 is the most likely answer, higher ones are bolder.
        most_tokens: The longest answer.
        seed: Passed to the endpoint, which may heed it.
    """
    answer, cost = _ask(context, instructions, text, model, temperature, seed, most_tokens, 1)
    said = _report(answer, cost)
    context.text(said)
    return NodeResult(outputs=(answer.texts[0], cost or 0.0), ui={"text": [answer.texts[0], said]})


@node(id="PromptVariations", title="Prompt variations", category=CATEGORY, names=["prompts", "cost"])
def prompt_variations(
    context: NodeContext,
    text: Annotated[str, Multiline()] = "a lighthouse at dusk",
    count: Annotated[int, Range(1, 16)] = 4,
    instructions: Annotated[str, Multiline()] = INSTRUCTIONS,
    model: str = "",
    temperature: Annotated[float, Range(0, 2, 0.05)] = 1.0,
    most_tokens: Annotated[int, Range(16, 8192)] = 300,
    seed: Annotated[int, Seed()] = 0,
) -> tuple[list[str], float]:
    """Have a language model rewrite a prompt in several ways; what follows runs once for each.

    Args:
        text: The prompt as you would say it.
        count: How many are wanted.
        instructions: What the model is told to do with it.
        model: Its name at the endpoint; empty for the one in PROMPT_ENHANCER_MODEL.
        temperature: 0 is the most likely answer, higher ones differ more.
        most_tokens: The longest answer.
        seed: Passed to the endpoint, which may heed it.
    """
    answer, cost = _ask(context, instructions, text, model, temperature, seed, most_tokens, count)
    context.text(_report(answer, cost))
    return list(answer.texts), cost or 0.0


def _ask(
    context: NodeContext,
    instructions: str,
    text: str,
    model: str,
    temperature: float,
    seed: int,
    most_tokens: int,
    count: int,
) -> tuple[Answer, float | None]:
    """The answer and what it cost, None where nobody said what tokens cost."""
    from prompt_enhancer.chat import ChatFailed, Request, ask

    try:
        settings = read_settings(os.environ)
        chosen = model.strip() or settings.model
        if not chosen:
            raise NodeError(f"No model is named: fill in the input, or set {MODEL}.")
        request = Request(instructions, text, chosen, temperature, seed, count, most_tokens)
        answer = ask(settings, request, lambda seconds: _nap(context, seconds))
    except (BadSettings, ChatFailed) as error:
        raise NodeError(str(error)) from error
    return answer, answer.cost(settings.prices)


def _nap(context: NodeContext, seconds: float) -> None:
    """Wait between two attempts; a cancelled job ends at once."""
    ends = time.monotonic() + seconds
    while (left := ends - time.monotonic()) > 0:
        context.cancel.raise_if_cancelled()
        time.sleep(min(left, _NAP))
    context.cancel.raise_if_cancelled()


def _report(answer: Answer, cost: float | None) -> str:
    tokens = f"{answer.model or 'the model'}: {answer.tokens_read} tokens read, {answer.tokens_written} written"
    return tokens if cost is None else f"{tokens}, ${cost:.6f}"


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    return [enhance_prompt, prompt_variations]
