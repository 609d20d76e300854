"""`LlamaForCausalLM.generate` behind HTTP, for benchmarks: random weights made at the start, one call at a time.

The argument is a JSON object: port, threads, dtype, device, seed, and the fields of a LlamaConfig. `POST /generate` with
`input_ids`, `seed` and the `parameters` of a GenerationConfig answers with one server-sent event when all is generated.
Nothing ends early: the model has no end token.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

import torch
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM


def make_model(config: dict, dtype: str, device: str, seed: int) -> LlamaForCausalLM:
    torch.manual_seed(seed)
    config = LlamaConfig(**config, bos_token_id=None, eos_token_id=None)
    return LlamaForCausalLM._from_config(config, dtype=getattr(torch, dtype)).to(device).eval()


def generate(model: LlamaForCausalLM, call: dict) -> dict:
    ids = torch.tensor([call["input_ids"]], device=model.device)
    # Without a token for padding it would be guessed and warned of; nothing is padded.
    config = GenerationConfig(**call["parameters"], pad_token_id=0)
    torch.manual_seed(call["seed"])
    with torch.inference_mode():
        output = model.generate(ids, attention_mask=torch.ones_like(ids), generation_config=config)
    rows = output[:, ids.shape[1] :].tolist()
    return {
        "ids": [id for row in rows for id in row],
        "prompt_tokens": ids.shape[1],
        "generated_tokens": sum(len(row) for row in rows),
    }


class Handler(BaseHTTPRequestHandler):
    model: LlamaForCausalLM

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def do_POST(self) -> None:
        call = json.loads(self.rfile.read(int(self.headers["content-length"])))
        try:
            answer = generate(self.model, call)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        self.wfile.write(f"data: {json.dumps(answer)}\n\n".encode())

    def log_message(self, *_: object) -> None:
        """A line for each request is work that we do not do."""


def main() -> None:
    options = json.loads(sys.argv[1])
    torch.set_num_threads(options["threads"])
    torch.set_num_interop_threads(1)
    Handler.model = make_model(options["config"], options["dtype"], options["device"], options["seed"])
    HTTPServer(("127.0.0.1", options["port"]), Handler).serve_forever()


main()
