// Chat templates in words of our own, for weights that carry none: GGUF files of 2023 often do not. What they render is
// what Meta's models were trained on; the tiny models have the same.

/** Turns of user and assistant alternate; a system message goes into the first user's. */
export const llama2ChatTemplate = [
  "{% if messages[0]['role'] == 'system' %}",
  "{% set system_message = messages[0]['content'] %}",
  "{% set turns = messages[1:] %}",
  "{% else %}",
  "{% set system_message = false %}",
  "{% set turns = messages %}",
  "{% endif %}",
  "{% for message in turns %}",
  "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}",
  "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}",
  "{% endif %}",
  "{% if loop.index0 == 0 and system_message != false %}",
  "{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}",
  "{% else %}",
  "{% set content = message['content'] %}",
  "{% endif %}",
  "{% if message['role'] == 'user' %}",
  "{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}",
  "{% elif message['role'] == 'assistant' %}",
  "{{ ' ' + content.strip() + ' ' + eos_token }}",
  "{% endif %}",
  "{% endfor %}",
].join("");

/** Each message between headers and an end of turn. */
export const llama3ChatTemplate = [
  "{% for message in messages %}",
  "{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' %}",
  "{% if loop.index0 == 0 %}",
  "{% set content = bos_token + content %}",
  "{% endif %}",
  "{{ content }}",
  "{% endfor %}",
  "{% if add_generation_prompt %}",
  "{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}",
  "{% endif %}",
].join("");
