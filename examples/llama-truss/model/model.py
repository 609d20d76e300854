"""A conversation with a Llama: the whole text at once, or piece by piece as it is generated."""

from threading import Thread

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, TextIteratorStreamer

REPOSITORY = "meta-llama/Llama-3.2-1B-Instruct"
#: What calls may set, with what holds where they do not.
DEFAULTS = {"temperature": 0.6, "top_p": 0.9, "top_k": 50, "repetition_penalty": 1.0, "do_sample": True}
DEFAULT_TOKENS = 256
#: Seconds without a new piece: then the generation has failed.
PATIENCE = 60


class Model:
    def __init__(self, **kwargs):
        # The files are in the cache, so the token of the secrets is not needed here.
        self._config = kwargs["config"]
        self._model = None
        self._tokenizer = None

    def load(self):
        self._tokenizer = AutoTokenizer.from_pretrained(REPOSITORY)
        # On a GPU where there is one. float16 halves what the weights take.
        self._model = AutoModelForCausalLM.from_pretrained(REPOSITORY, device_map="auto", dtype=torch.float16)

    def preprocess(self, request):
        """The caller's values over the defaults; the prompt as token ids."""
        ids = self._tokenizer.apply_chat_template(
            request["messages"], add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        chosen = {name: request.get(name, value) for name, value in DEFAULTS.items()}
        if not chosen["do_sample"]:
            # They would only be warned of.
            for name in ("temperature", "top_p", "top_k"):
                chosen[name] = None
        ends = {self._tokenizer.eos_token_id, self._tokenizer.convert_tokens_to_ids("<|eot_id|>")}
        return {
            "stream": request.get("stream", False),
            "inputs": ids.to(self._model.device),
            "generation": {
                **chosen,
                "max_new_tokens": request.get("max_tokens", DEFAULT_TOKENS),
                "eos_token_id": sorted(end for end in ends if end is not None),
                "pad_token_id": self._tokenizer.eos_token_id,
            },
        }

    def predict(self, prepared):
        if prepared["stream"]:
            return self._pieces(prepared)
        inputs = prepared["inputs"]
        with torch.inference_mode():
            output = self._model.generate(**inputs, **prepared["generation"])
        new = output[0, inputs["input_ids"].shape[1] :]
        return {"output": self._tokenizer.decode(new, skip_special_tokens=True)}

    def _pieces(self, prepared):
        streamer = TextIteratorStreamer(
            self._tokenizer, skip_prompt=True, skip_special_tokens=True, timeout=PATIENCE
        )
        failures = []

        def generate():
            try:
                with torch.inference_mode():
                    self._model.generate(**prepared["inputs"], **prepared["generation"], streamer=streamer)
            except Exception as failure:
                failures.append(failure)
                streamer.end()

        thread = Thread(target=generate, daemon=True)
        thread.start()
        yield from streamer
        thread.join()
        if failures:
            raise failures[0]
