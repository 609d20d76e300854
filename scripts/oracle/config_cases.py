"""Parameter combinations for record_config.py. `call` is what `generate` is given, `config` its `generation_config`,
`model` what stands in the model's generation_config.json beside its end token, `prompt` how many ids the prompt has."""

LLAMA = {"do_sample": True, "temperature": 0.6, "top_p": 0.9, "max_length": 40}
NEW = {"max_new_tokens": 4}
SAMPLE = {"do_sample": True, **NEW}

LENGTHS = [
    {"call": {}},
    {"call": {"max_length": 20}},
    {"call": {"max_length": 10}},
    {"call": {"max_length": 9}},
    {"call": {"max_length": None}},
    {"call": {"max_length": 0}},
    {"call": {"max_new_tokens": 5}},
    {"call": {"max_new_tokens": 0}},
    {"call": {"max_new_tokens": -1}},
    {"call": {"max_new_tokens": 2.5}},
    {"call": {"max_new_tokens": None}, "model": {"max_new_tokens": 7}},
    {"call": {"max_new_tokens": None}, "model": {"max_length": 30}},
    {"call": {"max_new_tokens": 5, "max_length": 30}},
    {"call": {}, "model": {"max_length": 30}},
    {"call": {"max_new_tokens": 5}, "model": {"max_length": 30}},
    {"call": {}, "model": {"max_length": 8}},
    {"call": {}, "config": {"max_length": 25}, "model": {"max_length": 30}},
    {"call": {}, "config": {"max_new_tokens": 3}},
    {"call": {"max_length": 30}, "config": {"max_new_tokens": 3}},
    {"call": {"max_length": None}, "model": {"max_length": 30}},
    {"call": {"min_length": 15, **NEW}},
    {"call": {"min_length": 12, **NEW}},
    {"call": {"min_length": -5, **NEW}},
    {"call": {"min_length": None, **NEW}, "model": {"min_length": 12}},
    {"call": {"min_new_tokens": 3, **NEW}},
    {"call": {"min_new_tokens": 9, **NEW}},
    {"call": {"min_new_tokens": -2, **NEW}},
    {"call": {"min_new_tokens": 3, "min_length": 12, **NEW}},
    {"call": {"min_new_tokens": 3, **NEW}, "model": {"min_length": 12}},
    {"call": {"min_length": 12, "eos_token_id": None, **NEW}},
]

PRECEDENCE = [
    {"call": NEW, "model": LLAMA},
    {"call": {"do_sample": False, **NEW}, "model": LLAMA},
    {"call": {"temperature": 0.3, **NEW}, "model": LLAMA},
    {"call": {"top_k": None, **NEW}, "model": LLAMA},
    {"call": {"temperature": None, "top_p": None, **NEW}, "model": LLAMA},
    {"call": {"top_k": 7, **NEW}, "config": {"top_k": 3}, "model": {"do_sample": True, "top_k": 9}},
    {"call": NEW, "config": {"top_k": 3}, "model": {"do_sample": True, "top_k": 9}},
    {"call": NEW, "config": {"top_k": None}, "model": {"do_sample": True, "top_k": 9}},
    {"call": NEW, "config": {"do_sample": False}, "model": LLAMA},
    {"call": {"do_sample": False, **NEW}, "config": {"temperature": 0.4}},
    {"call": NEW, "config": {"do_sample": True, "temperature": 0.4}},
    {"call": NEW, "config": {"made_up": 1}},
    {"call": NEW, "config": {"streamer": 1}},
    {"call": NEW, "config": {"negative_prompt_ids": None}},
    {"call": NEW, "config": {"logits_processor": []}},
    {"call": NEW, "config": {"input_ids": [1]}},
    {"call": NEW, "config": {"eos_token_id": 7}},
    {"call": {"made_up": 1, **NEW}},
    {"call": {"made_up": None, **NEW}},
    {"call": {"temperatur": 0.5, **NEW}},
    {"call": {"seed": 1, **NEW}},
    {"call": {"stream": True, **NEW}},
    {"call": {"eos_token_id": None, **NEW}},
    {"call": {"eos_token_id": [3, 4], **NEW}},
    {"call": {"eos_token_id": -1, **NEW}},
    {"call": {"eos_token_id": 999999, **NEW}},
    {"call": {"pad_token_id": 0, **NEW}},
    {"call": {"pad_token_id": -1, **NEW}},
    {"call": {"pad_token_id": None, **NEW}, "model": {"pad_token_id": 0}},
    {"call": {"do_sample": None, **NEW}, "model": LLAMA},
]

SAMPLING = [
    {"call": {**SAMPLE, name: value}}
    for name, values in {
        "temperature": [0.0, -1.0, 1.0, 0.7, 2],
        "top_k": [-1, 0, None, 5, 1000],
        "top_p": [-0.1, 0.0, 0.5, 1.0, 1.5],
        "min_p": [-0.1, 0.0, 0.05, 1.0, 1.1],
        "top_h": [0.0, 0.4, 1.0, 1.1],
        "typical_p": [0.0, -0.5, 0.3, 1.0, 1.5],
        "epsilon_cutoff": [-0.1, 0.0, 0.01, 1.0, 1.5],
        "eta_cutoff": [-0.1, 0.0, 0.01, 1.5],
    }.items()
    for value in values
] + [
    {"call": {**NEW, name: value}}
    for name, value in {
        "temperature": 0.0,
        "top_k": -1,
        "top_p": 2.0,
        "min_p": 0.0,
        "top_h": 0.0,
        "typical_p": 0.0,
        "epsilon_cutoff": 1.5,
        "eta_cutoff": 0.1,
    }.items()
]

SCORES = [
    {"call": {**NEW, name: value}}
    for name, values in {
        "repetition_penalty": [0.0, -1.0, 1.0, 1.3, 2, None],
        "encoder_repetition_penalty": [0.0, 1.0, 1.3],
        "no_repeat_ngram_size": [-1, 0, 2],
        "encoder_no_repeat_ngram_size": [-1, 0, 2],
        "bad_words_ids": [[], [[]], [[2]], [[3], [4, 5]], [3], [[-1]], [[128]], "x"],
        "sequence_bias": [
            [],
            [[[3], 1.5]],
            [[[3, 4], -1.5], [[3, 4], 2.0]],
            [[[3], 1]],
            [[[], 1.0]],
            [[[128], 1.0]],
            [[[-1], 1.0]],
            [[3, 1.0]],
        ],
        "suppress_tokens": [[], [3, 4], [999], [-1], 5],
        "begin_suppress_tokens": [[3], [999]],
        "forced_bos_token_id": [3, 128],
        "forced_eos_token_id": [3, [3, 4], -1, 128, []],
        "exponential_decay_length_penalty": [[2, 1.5], [2, 2], [-3, 0.5]],
        "remove_invalid_values": [True],
        "renormalize_logits": [True, False],
        "guidance_scale": [1, 1.5, 0.5, -2.0],
        "penalty_alpha": [0.6, 0.0],
        "dola_layers": ["low"],
        "token_healing": [True, False],
        "watermarking_config": [
            {},
            {"greenlist_ratio": 0.5},
            {"greenlist_ratio": 1.0},
            {"greenlist_ratio": 1.5},
            {"greenlist_ratio": 0.0},
            {"seeding_scheme": "selfhash", "context_width": 2},
            {"seeding_scheme": "x"},
            {"context_width": 0},
            {"made_up": 1},
            {"bias": -1.0},
        ],
    }.items()
    for value in values
] + [
    {"call": {**NEW, "forced_eos_token_id": 3, "suppress_tokens": [3, 4]}},
    {"call": {**NEW, "forced_eos_token_id": [3, 5], "suppress_tokens": [3, 4]}},
    {"call": {**NEW, "forced_bos_token_id": 3, "suppress_tokens": [3, 4]}},
    {"call": {**NEW, "forced_bos_token_id": 3}, "prompt": 1},
    {"call": {**NEW, "exponential_decay_length_penalty": [2, 1.5], "eos_token_id": None}},
    {"call": {**NEW, "guidance_scale": 1.5, "negative_prompt_ids": [1, 5]}},
    {"call": {**NEW, "negative_prompt_ids": [1, 5]}},
    {"call": {**SAMPLE, "penalty_alpha": 0.6}},
    {"call": {**NEW, "penalty_alpha": 0.6, "top_k": 1}},
    {"call": {**NEW, "penalty_alpha": 0.6, "top_k": None}},
    {"call": NEW, "model": {"penalty_alpha": 0.6, "top_k": 4}},
]

STRATEGIES = [
    {"call": {**NEW, "num_return_sequences": 2}},
    {"call": {**SAMPLE, "num_return_sequences": 3}},
    {"call": {**NEW, "num_return_sequences": 0}},
    {"call": {**NEW, "num_beams": 0}},
    {"call": {**NEW, "num_beams": 1, "length_penalty": 2.0}},
    {"call": {**NEW, "length_penalty": 2.0}},
    {"call": {**NEW, "early_stopping": True}},
    {"call": {**NEW, "early_stopping": "never"}},
    {"call": {**NEW, "early_stopping": "true"}},
    {"call": {**NEW, "early_stopping": None}},
    {"call": {**NEW, "num_beams": 1}, "model": {"length_penalty": 2.0}},
    {"call": NEW, "model": {"length_penalty": 2.0}},
    {"call": {**NEW, "num_beam_groups": 2}},
    {"call": {**NEW, "num_beam_groups": 2, "num_beams": 4}},
    {"call": {**NEW, "diversity_penalty": 0.5}},
    {"call": {**NEW, "constraints": []}},
    {"call": {**NEW, "force_words_ids": [[3]]}},
    {"call": {**NEW, "low_memory": True}},
    {"call": {**NEW, "use_mtp": True}},
    {"call": {**NEW, "prompt_lookup_num_tokens": 3}, "early": True},
    {"call": {**NEW, "prompt_lookup_num_tokens": 0}},
    {"call": {**NEW, "prompt_lookup_num_tokens": 3, "max_matching_ngram_size": 0}},
    {"call": {**NEW, "prompt_lookup_num_tokens": 3, "max_matching_ngram_size": -1}},
    {"call": {**SAMPLE, "prompt_lookup_num_tokens": 3, "num_return_sequences": 2}},
    {"call": {**NEW, "prompt_lookup_num_tokens": 3, "use_cache": False}},
    {"call": {**NEW, "prompt_lookup_num_tokens": 3, "cache_implementation": "static"}},
    {"call": {**NEW, "prompt_lookup_num_tokens": 3, "assistant_ensemble_weight": 0.5}},
    {"call": {**NEW, "max_matching_ngram_size": 3}},
    {"call": {**NEW, "assistant_ensemble_weight": 1.5}},
    {"call": {**NEW, "num_assistant_tokens": 5}},
    {"call": {**NEW, "assistant_early_exit": 1}},
]

RETURNED = [
    {"call": {**NEW, "output_scores": True}},
    {"call": {**NEW, "output_logits": True}},
    {"call": {**NEW, "output_attentions": True}},
    {"call": {**NEW, "output_scores": True, "return_dict_in_generate": True}},
    {"call": {**NEW, "max_time": 0.0}},
    {"call": {**NEW, "max_time": -1.0}},
    {"call": {**NEW, "stop_strings": []}},
    {"call": {**NEW, "stop_strings": "x"}},
]

SPEED = [
    {"call": {**NEW, "use_cache": False}},
    {"call": {**NEW, "cache_implementation": "made up"}},
    {"call": {**NEW, "cache_implementation": "static"}, "early": True},
    {"call": {**NEW, "cache_implementation": "dynamic"}},
    {"call": {**NEW, "use_cache": False, "cache_implementation": "dynamic"}},
    {"call": {**NEW, "max_cache_len": 20}},
    {"call": {**NEW, "compile_config": {}}},
    {"call": {**NEW, "disable_compile": True}},
    {"call": {**NEW, "transformers_version": "5.0"}},
    {"call": {**NEW, "forced_decoder_ids": [[1, 2]]}},
    {"call": {**NEW, "generation_kwargs": {}}},
]

CASES = LENGTHS + PRECEDENCE + SAMPLING + SCORES + STRATEGIES + RETURNED + SPEED
