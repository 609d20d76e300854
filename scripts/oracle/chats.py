"""Conversations that the recorder renders with every template: what callers send, plain and odd."""

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather of a place, <now> & \"then\".",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "Où? 東京, é"},
                "days": {"type": "integer", "minimum": 1, "maximum": 14, "default": 3},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
                "precise": {"type": "boolean", "default": False},
                "near": {"type": ["number", "null"], "default": None, "exclusiveMinimum": 0.25},
            },
            "required": ["city"],
        },
        "strict": True,
        "return": {"type": "object", "description": "What it is like."},
    },
}
CLOCK = {
    "type": "function",
    "function": {
        "name": "clock",
        "description": "The time.",
        "parameters": {"type": "object", "properties": {}},
    },
}
NESTED = {
    "type": "function",
    "function": {
        "name": "book",
        "description": "Books a journey.\nSeveral lines.",
        "parameters": {
            "type": "object",
            "properties": {
                "legs": {
                    "type": "array",
                    "description": "One after the other",
                    "items": {
                        "type": "object",
                        "properties": {"from": {"type": "string"}, "to": {"type": "string"}},
                        "required": ["from", "to"],
                    },
                },
                "class": {"anyOf": [{"type": "string"}, {"type": "integer"}], "description": "Any"},
                "options": {"type": "object", "additionalProperties": {"type": "string"}},
            },
            "required": ["legs"],
        },
    },
}


def user(content) -> dict:
    return {"role": "user", "content": content}


def assistant(content, **more) -> dict:
    return {"role": "assistant", "content": content, **more}


def system(content) -> dict:
    return {"role": "system", "content": content}


def call(name: str, arguments, identifier: str = "abcdef123") -> dict:
    return {"id": identifier, "type": "function", "function": {"name": name, "arguments": arguments}}


def tool(content, identifier: str = "abcdef123", **more) -> dict:
    return {"role": "tool", "tool_call_id": identifier, "content": content, **more}


def text(value: str) -> dict:
    return {"type": "text", "text": value}


ARGUMENTS = {"city": "Zürich <b>", "days": 2, "near": 0.5, "precise": True, "unit": None, "tags": ["a", 1, -2.25]}
HELLO = [user("Hi"), assistant("Hello!"), user("How are you?")]
USED = [
    system("Use tools."),
    user("Weather in Zürich?"),
    assistant("", tool_calls=[call("get_weather", ARGUMENTS)]),
    tool('{"temp": 21.5}', name="get_weather"),
    assistant("It is 21.5 degrees."),
    user("And tomorrow?"),
]

CHATS = [
    {"name": "one question", "messages": [user("What even is AGI?")], "add_generation_prompt": True},
    {"name": "one question, no prompt for generation", "messages": [user("What even is AGI?")]},
    {"name": "a system message", "messages": [system("Be kind."), user("Hello!")], "add_generation_prompt": True},
    {"name": "several turns", "messages": HELLO, "add_generation_prompt": True},
    {"name": "ends with the assistant", "messages": [system("Be kind."), *HELLO, assistant("Fine.\n")]},
    {"name": "continued", "messages": [*HELLO, assistant("I am ")], "continue_final_message": True},
    {
        "name": "spaces and other scripts",
        "messages": [system("  \u3000Sois gentil. \n"), user("\t你好 🦙👩‍👩‍👧 \u00a0\ufeff"), assistant(" \n né\u0301e\r\n"), user("<b>\"It's\" & 'fine'</b>")],
        "add_generation_prompt": True,
    },
    {"name": "only a system message", "messages": [system("Alone.")], "add_generation_prompt": True},
    {"name": "two questions in a row", "messages": [user("one"), user("two")], "add_generation_prompt": True},
    {"name": "begins with the assistant", "messages": [assistant("I begin."), user("Fine.")], "add_generation_prompt": True},
    {"name": "an unknown role", "messages": [user("Hi"), {"role": "parrot", "content": "Hi"}], "add_generation_prompt": True},
    {"name": "a developer message", "messages": [{"role": "developer", "content": "Short."}, user("Hi")], "add_generation_prompt": True},
    {"name": "empty texts", "messages": [system(""), user(""), assistant(""), user(" ")], "add_generation_prompt": True},
    {"name": "marks of templates", "messages": [user("{{ bos_token }} {% if %} <think>a</think> [INST] <|im_end|> </s>"), assistant("<think>\nso\n</think>\n\nyes"), user("ok")], "add_generation_prompt": True},
    {"name": "parts", "messages": [system([text("Be "), text("kind.")]), user([text("a"), text(" b")]), assistant([text("c")]), user([text("d")])], "add_generation_prompt": True},
    {"name": "parts, continued", "messages": [user([text("a")]), assistant([text("b"), text("c ")])], "continue_final_message": True},
    {"name": "tools offered", "messages": [user("Weather?")], "tools": [WEATHER, CLOCK], "add_generation_prompt": True},
    {"name": "tools offered beside a system message", "messages": [system("Be kind."), user("Go"), assistant("Where?"), user("Rome")], "tools": [NESTED, WEATHER], "add_generation_prompt": True},
    {"name": "an empty list of tools", "messages": [user("Hi")], "tools": [], "add_generation_prompt": True},
    {"name": "tools used", "messages": USED, "tools": [WEATHER], "add_generation_prompt": True},
    {"name": "tools used, none offered", "messages": USED, "add_generation_prompt": True},
    {
        "name": "arguments as text, several calls, no content",
        "messages": [
            user("Weather and time?"),
            {"role": "assistant", "content": None, "tool_calls": [call("get_weather", '{"city": "Rome"}', "call00001"), call("clock", "{}", "call00002")]},
            tool("21", "call00001"),
            tool("12:00", "call00002"),
        ],
        "tools": [WEATHER, CLOCK],
        "add_generation_prompt": True,
    },
    {
        "name": "the answer of a tool as an object",
        "messages": [user("Time?"), assistant("Let me look.", tool_calls=[call("clock", {})]), tool({"time": "12:00", "zone": None, "ok": True}, name="clock")],
        "tools": [CLOCK],
        "add_generation_prompt": True,
    },
    {"name": "reasoning", "messages": [user("2+2?"), assistant("4", reasoning_content="Two and two.\n"), user("3+3?"), assistant("6", reasoning="Three twice."), user("ok")], "add_generation_prompt": True},
    {"name": "reasoning between calls", "messages": [user("Time?"), assistant("", reasoning_content="I look.", tool_calls=[call("clock", {"a": 1})]), tool("12:00", name="clock")], "tools": [CLOCK], "add_generation_prompt": True},
    {"name": "no thinking", "messages": HELLO, "kwargs": {"enable_thinking": False, "thinking": False, "reasoning_effort": "low"}, "add_generation_prompt": True},
    {"name": "thinking", "messages": [system("Be kind."), *HELLO], "kwargs": {"enable_thinking": True, "thinking": True, "reasoning_effort": "high", "add_vision_id": True}, "add_generation_prompt": True},
    {"name": "documents", "messages": [user("Where do llamas live?")], "documents": [{"title": "Llamas", "text": "In the Andes."}, {"title": "Wool", "text": "Warm \"& soft\"."}], "add_generation_prompt": True},
    {"name": "a named user and a long history", "messages": [{"role": "user", "content": "Hi", "name": "Ann"}] + [m for n in range(6) for m in (assistant(f"Answer {n}"), user(f"Question {n}\n"))], "add_generation_prompt": True},
    {"name": "a call at the end", "messages": [user("Time?"), assistant("Now.", tool_calls=[call("clock", {"zone": "CET", "list": [], "none": {}})])], "tools": [CLOCK]},
    {
        "name": "floats that are whole",
        "messages": [user("Set it."), assistant("", tool_calls=[call("set", {"x": 2.0, "y": -0.0, "n": 3, "big": 1e16})]), tool("ok", name="set")],
        "tools": [{"type": "function", "function": {"name": "set", "description": "Sets.", "parameters": {"type": "object", "properties": {"x": {"type": "number", "description": "A number", "minimum": 0.0, "default": 1.0, "multipleOf": 1e3, "enum": [1.0, 2, 2.5]}}, "required": ["x"]}}}],
        "add_generation_prompt": True,
    },
]
