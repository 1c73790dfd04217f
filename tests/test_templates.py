"""Chat templates of strangers: what the library renders, and a sentence where they refuse, crash or never end."""

import shutil
import time

import pytest
from tiny_checkpoint import CHATML, make_tokenizer, save_checkpoint, save_gguf

from evalharness.backends.hf import HfBackend
from evalharness.errors import PromptFormatError
from evalharness.records import ChatPrompt, Checkpoint, Message
from evalharness.weights import templates
from evalharness.weights.templates import ChatTemplate, TemplateFailed

CHAT = (
    Message(role="system", content="Be brief."),
    Message(role="user", content=" Hi \ud7ff 🙂\n"),
    Message(role="assistant", content="Ho"),
    Message(role="user", content='{{ 7 * 7 }} "x" <|im_end|>'),
)
NO_SYSTEM = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}" + CHATML
)
LOOPS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
RECURSION = "{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}"


def template(text):
    return ChatTemplate(make_tokenizer(template=text))


@pytest.mark.parametrize(
    "text",
    [
        CHATML,
        "{{ bos_token }}{{ messages | tojson }}{{ eos_token }}",
        "{%- set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{{ ns.n }}"
        "{{ m['content'] | trim }}"
        "{% if loop.last %}{% continue %}{% endif %}, {% generation %}x{% endgeneration %}{% endfor %}",
        "{% if add_generation_prompt %}{{ 'reply' }}{% endif %}{{ tools }}{{ messages | length }}",
    ],
)
@pytest.mark.parametrize("reply", [True, False])
def test_a_template_gives_what_the_library_gives(text, reply):
    tokenizer = make_tokenizer(template=text)
    turns = [message.model_dump() for message in CHAT]
    expected = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=reply)
    assert ChatTemplate(tokenizer).render(CHAT, reply=reply) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (NO_SYSTEM, "^System role not supported$"),
        ("{% for %}", "line 1: "),
        ("{{ nothing.at.all }}", "'nothing' is undefined"),
        ("{{ 1 / 0 }}", "ZeroDivisionError"),
        ("{{ messages + 1 }}", "TypeError"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        (RECURSION, "RecursionError|ended the process"),
        ("{{ 'x' * 10 ** 10 }}", "MiB"),
        (
            "{% set ns = namespace(t='x' * 1000) %}{% for i in range(99) %}{% set ns.t = ns.t + ns.t %}{% endfor %}",
            "MiB",
        ),
        ("{{ 'x' * 2 * 10 ** 7 }}", "characters"),
        ("{" * 20_000, "."),
        ("{{ " + "(" * 5_000 + "1" + ")" * 5_000 + " }}", "RecursionError|ended the process|Error"),
    ],
)
def test_a_template_that_fails_says_its_own_sentence(text, said):
    with pytest.raises(TemplateFailed, match=said):
        template(text).render(CHAT, reply=True)
    assert template(CHATML).render(CHAT, reply=True)


def test_a_template_that_does_not_end_is_stopped_and_not_tried_again(monkeypatch):
    monkeypatch.setattr(templates, "SECONDS", 0.5)
    endless = template(LOOPS)
    start = time.monotonic()
    for _ in range(50):
        with pytest.raises(TemplateFailed, match=r"does not end within 0\.5 seconds"):
            endless.render(CHAT, reply=True)
    assert time.monotonic() - start < 20
    assert template(CHATML).render(CHAT, reply=True)


def open_chat(model):
    return HfBackend(Checkpoint(name="tiny", model=f"hf/{model}", variant="instruct", prompt_format="chat"))


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    return save_checkpoint(tmp_path_factory.mktemp("sound"))


def test_a_template_without_a_system_role_is_an_error_that_names_checkpoint_and_file_and_what_to_do(sound, tmp_path):
    folder = shutil.copytree(sound, tmp_path / "tiny")
    (folder / "chat_template.jinja").write_text(NO_SYSTEM)
    backend = open_chat(folder)
    assert backend.render([ChatPrompt(messages=CHAT[1:])])
    with pytest.raises(PromptFormatError) as caught:
        backend.render([ChatPrompt(messages=CHAT)])
    where = folder / "chat_template.jinja"
    assert caught.value.problem == f"checkpoint 'tiny': the chat template in {where} fails: System role not supported"
    assert "without system turns" in caught.value.fix


def test_a_template_in_a_gguf_file_is_bounded_too(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = save_gguf(tmp_path / "tiny.gguf", template="{{ raise_exception('Not today') }}")
    with pytest.raises(PromptFormatError, match=r"tiny\.gguf fails: Not today"):
        open_chat(path).render([ChatPrompt(messages=CHAT)])
