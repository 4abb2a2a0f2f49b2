/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Built-in templates, for models that carry none. They are ordinary template texts, run by the same
 * interpreter as a model's own. docs say what each looks like; tests/text/template_named.c pins it.
 */
#include "text/text.h"

#include <string.h>

/* Open Assistant, message format 2.5: no white space between the parts. */
static const char oasst[] =
    "{%- for message in messages -%}"
    "{%- if message['role'] == 'user' or message['role'] == 'prompter' -%}"
    "{{ '<|prompter|>' }}"
    "{%- elif message['role'] == 'assistant' -%}"
    "{{ '<|assistant|>' }}"
    "{%- elif message['role'] == 'system' -%}"
    "{{ '<|system|>' }}"
    "{%- else -%}"
    "{{ raise_exception('role ' ~ message['role'] ~ ' is not known to the oasst format') }}"
    "{%- endif -%}"
    "{{ message['content'] ~ eos_token | default('<|endoftext|>') }}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|assistant|>' }}{%- endif -%}";

static const char chatml[] =
    "{%- for message in messages -%}"
    "{{ '<|im_start|>' ~ message['role'] ~ '\\n' ~ message['content'] ~ '<|im_end|>' ~ '\\n' }}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}";

static const char llama_2[] =
    "{%- set bos = bos_token | default('<s>') -%}"
    "{%- set eos = eos_token | default('</s>') -%}"
    "{%- set ns = namespace(system='', user=true) -%}"
    "{%- for message in messages -%}"
    "{%- if message['role'] == 'system' and loop.first -%}"
    "{%- set ns.system = '<<SYS>>\\n' ~ message['content'] ~ '\\n<</SYS>>\\n\\n' -%}"
    "{%- elif message['role'] == 'user' and ns.user -%}"
    "{{ bos ~ '[INST] ' ~ ns.system ~ message['content'] | trim ~ ' [/INST]' }}"
    "{%- set ns.system = '' -%}{%- set ns.user = false -%}"
    "{%- elif message['role'] == 'assistant' and not ns.user -%}"
    "{{ ' ' ~ message['content'] | trim ~ ' ' ~ eos }}"
    "{%- set ns.user = true -%}"
    "{%- else -%}"
    "{{ raise_exception('roles must alternate user/assistant/user/assistant, after at most one "
    "system message') }}"
    "{%- endif -%}"
    "{%- endfor -%}";

static const char zephyr[] =
    "{%- set eos = eos_token | default('</s>') -%}"
    "{%- for message in messages -%}"
    "{{ '<|' ~ message['role'] ~ '|>\\n' ~ message['content'] ~ eos ~ '\\n' }}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|assistant|>\\n' }}{%- endif -%}";

static const char plain[] = "{%- for message in messages -%}"
                            "{%- if message['role'] == 'system' -%}"
                            "{{ message['content'] ~ '\\n\\n' }}"
                            "{%- else -%}"
                            "{{ message['role'] | capitalize ~ ': ' ~ message['content'] ~ '\\n' }}"
                            "{%- endif -%}"
                            "{%- endfor -%}"
                            "{%- if add_generation_prompt -%}{{ 'Assistant:' }}{%- endif -%}";

static const char *const names[] = {"oasst", "chatml", "llama-2", "zephyr", "plain", NULL};
static const char *const texts[] = {oasst, chatml, llama_2, zephyr, plain};

const char *oa__template_named(const char *name)
{
    for (size_t i = 0; name != NULL && names[i] != NULL; i++) {
        if (strcmp(names[i], name) == 0) return texts[i];
    }
    return NULL;
}

const char *const *oa__template_names(void)
{
    return names;
}
