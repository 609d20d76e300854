"""Records how transformers renders chats with each tiny model's own template: text and ids, or the error."""

from tiny_models import MODELS, RUNTIME_RECORDS, load_tokenizer, model_folder, origin, write_record


def user(content: str) -> dict:
    return {"role": "user", "content": content}


def assistant(content: str) -> dict:
    return {"role": "assistant", "content": content}


def system(content: str) -> dict:
    return {"role": "system", "content": content}


CHATS = {
    "one question": [user("What even is AGI?")],
    "system and question": [system("You are a helpful assistant."), user("Hello!")],
    "three turns": [user("Hi"), assistant("Hello!"), user("How are you?"), assistant("Fine."), user("Bye")],
    "system and history": [system("Be kind."), user("Hi"), assistant("Hello!"), user("What is a token?")],
    "ends with the assistant": [user("Hi"), assistant("Hello!")],
    "spaces around": [
        system("  Be kind.  "),
        user("   What is this?  "),
        assistant("  An answer. "),
        user("\tagain\t"),
    ],
    "newlines around": [
        system("\nBe kind.\n"),
        user("\n\nWhat is this?\n"),
        assistant("\nAn answer.\n\n"),
        user("and\n\nnow?"),
    ],
    "several spaces inside": [user("a  b   c    d")],
    "accents": [system("Réponds en français."), user("Où est le café? Ça va très bien, naïve Zoë.")],
    "emoji": [user("I like llamas 🦙🦙 and families 👩‍👩‍👧‍👦 🇪🇸")],
    "other scripts": [user("你好，世界。Привет мир. مرحبا بالعالم. नमस्ते")],
    "template marks in the text": [
        user("[INST] <<SYS>> hello <</SYS>> [/INST]"),
        assistant("{{ bos_token }} {% if %}"),
        user("ok"),
    ],
    "special tokens in the text": [user("<s> </s> <|eot_id|> <|begin_of_text|> <unk>")],
    "quotes and html": [user("<b>\"It's\" & 'fine'</b>")],
    "code": [user("def f(x):\n    return x * 2\n\n\nprint(f(3))")],
    "empty question": [user("")],
    "empty system": [system(""), user("Hi")],
    "only spaces": [user("   ")],
    "exotic spaces around": [user("\u00a0hello\u3000\u2028")],
    "only a system message": [system("You are alone.")],
    "two questions in a row": [user("one"), user("two")],
    "begins with the assistant": [assistant("I begin."), user("Fine.")],
    "two system messages": [system("one"), system("two"), user("Hi")],
    "system in the middle": [user("Hi"), system("Be kind."), user("Hello")],
    "unknown role": [user("Hi"), {"role": "tool", "content": "42"}],
    "no messages": [],
}


def render(tokenizer, messages: list[dict], add_generation_prompt: bool) -> dict:
    case = {"add_generation_prompt": add_generation_prompt}
    try:
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=add_generation_prompt)
    except Exception as error:
        return case | {"error": type(error).__name__, "message": str(error)}
    return case | {"text": text, "ids": tokenizer.encode(text, add_special_tokens=False)}


def main() -> None:
    for short in MODELS:
        tokenizer = load_tokenizer(short)
        cases = [
            {"name": name, "messages": messages, **render(tokenizer, messages, add)}
            for name, messages in CHATS.items()
            for add in (True, False)
        ]
        record = {
            "origin": origin(__file__, short, model_folder(short) / "tokenizer_config.json"),
            "chat_template": tokenizer.chat_template,
            "cases": cases,
        }
        write_record(RUNTIME_RECORDS / f"templates-{short}.json", record)


if __name__ == "__main__":
    main()
