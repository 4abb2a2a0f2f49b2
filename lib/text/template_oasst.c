/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open Assistant's own formats as template texts, newest first. special_token() is a function that
 * only built-in templates have: it gives its argument back, or fails when the model's vocabulary
 * has no such special token, so that a format is never spelled out letter by letter to a model
 * that does not know it.
 */
#include "text/template_named.h"

/* eos, and text(m): the content of a message, which must be text. */
#define OPENING                                                                                    \
    "{%- set eos = eos_token | default('') -%}"                                                    \
    "{%- if not eos -%}"                                                                           \
    "{{ raise_exception('the oasst formats need an end token, and the model names none') }}"       \
    "{%- endif -%}" TEXT
#define TEXT                                                                                       \
    "{%- macro text(m) -%}"                                                                        \
    "{%- if m['content'] is not string -%}"                                                        \
    "{{ raise_exception('the oasst formats want text as content of a message') }}"                 \
    "{%- endif -%}"                                                                                \
    "{{ m['content'] }}"                                                                           \
    "{%- endmacro -%}"

#define UNKNOWN_ROLE                                                                               \
    "{%- else -%}"                                                                                 \
    "{{ raise_exception('role ' ~ m['role'] ~ ' is not known to the oasst formats') }}"            \
    "{%- endif -%}"

/* The formats without system token take one text in front of everything. */
#define PREFIX_FIRST                                                                               \
    "{%- if not loop.first -%}"                                                                    \
    "{{ raise_exception('this oasst format takes a system text only in front') }}"                 \
    "{%- endif -%}"

#define TURNS                                                                                      \
    "{%- if m['role'] in ['user', 'prompter'] -%}"                                                 \
    "{{ special_token('<|prompter|>') ~ text(m) ~ eos }}"                                          \
    "{%- elif m['role'] == 'assistant' -%}"                                                        \
    "{{ special_token('<|assistant|>') ~ text(m) ~ eos }}"

#define CLOSING                                                                                    \
    "{%- endfor -%}"                                                                               \
    "{%- if add_generation_prompt -%}{{ special_token('<|assistant|>') }}{%- endif -%}"

/* Format 2.5: no white space between the parts, and what an answer is like ("properties" of the
 * message it answers, or of itself) in a system part before it, context last. */
const char oa__template_oasst[] = OPENING
    "{%- macro tag(p) -%}"
    "{%- if p is not mapping -%}"
    "{{ raise_exception('properties must be a mapping') }}"
    "{%- endif -%}"
    "{%- set ns = namespace(lines=[], context=[]) -%}"
    "{%- for k in p if p[k] is not none -%}"
    "{%- if k in ['quality', 'humor', 'creativity'] -%}"
    "{%- if p[k] is not number or p[k] < 0 or p[k] > 1 -%}"
    "{{ raise_exception('property ' ~ k ~ ' must be a number from 0 to 1') }}"
    "{%- endif -%}"
    "{%- set ns.lines = ns.lines + [k ~ ': ' ~ '%.1f' % p[k]] -%}"
    "{%- elif k == 'length' -%}"
    "{%- if p[k] is not integer or p[k] < 1 -%}"
    "{{ raise_exception('property length must be a whole number of 1 or more') }}"
    "{%- endif -%}"
    "{%- set ns.lines = ns.lines + [k ~ ': ' ~ p[k]] -%}"
    "{%- elif k in ['lang', 'context'] -%}"
    "{%- if p[k] is not string -%}"
    "{{ raise_exception('property ' ~ k ~ ' must be text') }}"
    "{%- endif -%}"
    "{%- if p[k] | trim and k == 'lang' -%}"
    "{%- set ns.lines = ns.lines + [k ~ ': ' ~ p[k]] -%}"
    "{%- elif p[k] | trim -%}"
    "{%- set ns.context = [k ~ ': ' ~ p[k]] -%}"
    "{%- endif -%}"
    "{%- else -%}"
    "{{ raise_exception('property ' ~ k ~ ' is not known to the oasst format') }}"
    "{%- endif -%}"
    "{%- endfor -%}"
    "{%- if ns.lines or ns.context -%}"
    "{{ special_token('<|system|>') ~ (ns.lines + ns.context) | join('\\n') ~ '\\n' ~ eos }}"
    "{%- endif -%}"
    "{%- endmacro -%}"
    "{%- for m in messages -%}"
    "{%- if m['role'] == 'assistant' and m['properties'] -%}{{ tag(m['properties']) }}{%- endif "
    "-%}" TURNS "{%- elif m['role'] == 'system' -%}"
    "{%- if text(m) -%}{{ special_token('<|system|>') ~ text(m) ~ eos }}{%- endif -%}" UNKNOWN_ROLE
    "{%- if m['role'] != 'assistant' and m['properties'] -%}{{ tag(m['properties']) }}{%- endif "
    "-%}" CLOSING;

/* Format 2.5 of the models that know prefix tokens instead of a system token. */
const char oa__template_oasst_prefix[] =
    OPENING "{%- for m in messages -%}" TURNS "{%- elif m['role'] == 'system' -%}" PREFIX_FIRST
            "{%- if text(m) -%}"
            "{{ special_token('<|prefix_begin|>') ~ text(m) ~ special_token('<|prefix_end|>') }}"
            "{%- endif -%}" UNKNOWN_ROLE CLOSING;

/* Format 2: the system text bare in front. */
const char oa__template_oasst_v2[] =
    OPENING "{%- for m in messages -%}" TURNS "{%- elif m['role'] == 'system' -%}" PREFIX_FIRST
            "{{ text(m) }}" UNKNOWN_ROLE CLOSING;

/* The first models with special tokens: turns have no end. */
const char oa__template_oasst_legacy[] =
    TEXT "{%- for m in messages -%}"
         "{%- if m['role'] in ['user', 'prompter'] -%}"
         "{{ special_token('<human>') ~ text(m) }}"
         "{%- elif m['role'] == 'assistant' -%}"
         "{{ special_token('<bot>') ~ text(m) }}"
         "{%- elif m['role'] == 'system' -%}" PREFIX_FIRST "{%- if text(m) -%}"
         "{{ special_token('<prefix>') ~ text(m) ~ special_token('</prefix>') }}"
         "{%- endif -%}" UNKNOWN_ROLE "{%- endfor -%}"
         "{%- if add_generation_prompt -%}{{ special_token('<bot>') }}{%- endif -%}";

/* Before that, plain text; the names are those of that time and can be given as variables. */
const char oa__template_oasst_text[] = TEXT
    "{%- set human = human_name | default('User') -%}"
    "{%- set bot = bot_name | default('Joi') -%}"
    "{%- for m in messages -%}"
    "{%- if m['role'] in ['user', 'prompter'] -%}"
    "{{ '\\n' ~ human ~ ': ' ~ text(m) ~ '\\n\\n' }}"
    "{%- elif m['role'] == 'assistant' -%}"
    "{{ bot ~ ': ' ~ text(m) ~ '\\n' }}"
    "{%- elif m['role'] == 'system' -%}" PREFIX_FIRST "{{ text(m) }}" UNKNOWN_ROLE "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ bot ~ ': ' }}{%- endif -%}";
