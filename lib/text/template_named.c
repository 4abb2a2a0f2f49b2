/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Built-in templates, for models that carry none. They are ordinary template texts, run by the same
 * interpreter as a model's own. docs say what each looks like; tests/text/template_named.c pins it.
 */
#include "text/template_named.h"
#include "text/template_priv.h"

#include <string.h>

static const char chatml[] =
    "{%- for message in messages -%}"
    "{{ special_token('<|im_start|>') ~ message['role'] | replace('prompter', 'user') ~ '\\n' }}"
    "{{ message['content'] ~ special_token('<|im_end|>') ~ '\\n' }}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}"
    "{{ special_token('<|im_start|>') ~ 'assistant\\n' }}"
    "{%- endif -%}";

static const char llama_2[] =
    "{%- set bos = special_token(bos_token | default('<s>')) -%}"
    "{%- set eos = special_token(eos_token | default('</s>')) -%}"
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
    "{%- set eos = special_token(eos_token | default('</s>')) -%}"
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

static const char *const names[] = {
    "oasst",   "oasst-v2.5", "oasst-prefix", "oasst-v2", "oasst-legacy", "oasst-text", "chatml",
    "llama-2", "zephyr",     "plain",        NULL};
static const char *const texts[] = {oa__template_oasst,
                                    oa__template_oasst,
                                    oa__template_oasst_prefix,
                                    oa__template_oasst_v2,
                                    oa__template_oasst_legacy,
                                    oa__template_oasst_text,
                                    chatml,
                                    llama_2,
                                    zephyr,
                                    plain};

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

bool oa__tmpl_is_named(const char *text)
{
    for (size_t i = 0; names[i] != NULL; i++) {
        if (texts[i] == text) return true;
    }
    return false;
}
