/* SPDX-License-Identifier: Apache-2.0 */
/* The built-in templates: the exact text of each for one conversation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "small.h"
#include "template_util.h"

static const struct {
    const char *name, *text, *prompt; /* what add_generation_prompt adds */
} texts[] = {
    {"oasst",
     "<|system|>Be brief.</s><|prompter|> H\xC3\xA4? </s><|assistant|>Yes\n</s><|prompter|>ok</s>",
     "<|assistant|>"},
    {"oasst-v2.5",
     "<|system|>Be brief.</s><|prompter|> H\xC3\xA4? </s><|assistant|>Yes\n</s><|prompter|>ok</s>",
     "<|assistant|>"},
    {"oasst-prefix",
     "<|prefix_begin|>Be brief.<|prefix_end|><|prompter|> H\xC3\xA4? </s><|assistant|>Yes\n</s>"
     "<|prompter|>ok</s>",
     "<|assistant|>"},
    {"oasst-v2", "Be brief.<|prompter|> H\xC3\xA4? </s><|assistant|>Yes\n</s><|prompter|>ok</s>",
     "<|assistant|>"},
    {"oasst-legacy", "<prefix>Be brief.</prefix><human> H\xC3\xA4? <bot>Yes\n<human>ok", "<bot>"},
    {"oasst-text", "Be brief.\nUser:  H\xC3\xA4? \n\nJoi: Yes\n\n\nUser: ok\n\n", "Joi: "},
    {"chatml",
     "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n H\xC3\xA4? <|im_end|>\n"
     "<|im_start|>assistant\nYes\n<|im_end|>\n<|im_start|>user\nok<|im_end|>\n",
     "<|im_start|>assistant\n"},
    {"llama-2",
     "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nH\xC3\xA4? [/INST] Yes </s><s>[INST] ok [/INST]",
     ""},
    {"zephyr",
     "<|system|>\nBe brief.</s>\n<|user|>\n H\xC3\xA4? </s>\n<|assistant|>\nYes\n</s>\n"
     "<|user|>\nok</s>\n",
     "<|assistant|>\n"},
    {"plain", "Be brief.\n\nUser:  H\xC3\xA4? \nAssistant: Yes\n\nUser: ok\n", "Assistant:"},
};

static void test_text_template_named__texts(void **state)
{
    (void)state;
    const char *const *names = oa__template_names();
    for (size_t i = 0; i < OA__ARRAY_LEN(texts); i++) {
        assert_string_equal(names[i], texts[i].name);
        const char *text = oa__template_named(texts[i].name);
        assert_non_null(text);
        assert_int_equal(oa__template_check(NULL, text, strlen(text)), OA_OK);
        for (int prompt = 0; prompt < 2; prompt++) {
            oa__render_args args = util_args();
            oa__str out = {0}, all = {0};
            args.add_generation_prompt = prompt;
            oa__str_add_z(&all, texts[i].text);
            if (prompt) oa__str_add_z(&all, texts[i].prompt);
            assert_int_equal(util_render(&out, text, &args), OA_OK);
            assert_string_equal(out.data, all.data);
            oa__str_free(&out);
            oa__str_free(&all);
        }
    }
    assert_null(names[OA__ARRAY_LEN(texts)]);
    assert_null(oa__template_named("nope"));
    assert_null(oa__template_named(NULL));
}

static void expect(const char *name, const oa__render_args *args, const char *want)
{
    oa__str out = {0};
    util_render(&out, oa__template_named(name), args);
    const char *got = out.data;
    if (strncmp(got, "ERROR chat template line 1: ", 28) == 0) got += 28;
    assert_string_equal(got, want);
    oa__str_free(&out);
}

static void test_text_template_named__roles(void **state)
{
    (void)state;
    static const char *const oasst[] = {"oasst", "oasst-prefix", "oasst-v2"};
    const oa__chat_message chat[] = {
        {"prompter", "a", 1}, {"system", "s", 1}, {"narrator", "b", 1}};
    oa__render_args args = {.messages = chat, .n_messages = 1, .add_generation_prompt = true};
    for (size_t i = 0; i < OA__ARRAY_LEN(oasst); i++) {
        args.eos_token = "<|endoftext|>"; /* GPT-NeoX's, and llama's in the test above */
        expect(oasst[i], &args, "<|prompter|>a<|endoftext|><|assistant|>");
        args.eos_token = NULL;
        expect(oasst[i], &args, "the oasst formats need an end token, and the model names none");
    }
    args.eos_token = "</s>";
    args.n_messages = 2;
    expect("oasst", &args, "<|prompter|>a</s><|system|>s</s><|assistant|>");
    expect("oasst-v2", &args, "this oasst format takes a system text only in front");
    expect("oasst-prefix", &args, "this oasst format takes a system text only in front");
    expect("oasst-legacy", &args, "this oasst format takes a system text only in front");
    args.n_messages = 3;
    expect("oasst", &args, "role narrator is not known to the oasst formats");
    /* A system text that is empty leaves no trace. */
    const oa__chat_message empty[] = {{"system", "", 0}, {"user", "a", 1}};
    args.messages = empty;
    args.n_messages = 2;
    expect("oasst", &args, "<|prompter|>a</s><|assistant|>");
    expect("oasst-prefix", &args, "<|prompter|>a</s><|assistant|>");
    expect("oasst-v2", &args, "<|prompter|>a</s><|assistant|>");
    expect("oasst-legacy", &args, "<human>a<bot>");
    expect("chatml", &(oa__render_args){.messages = chat, .n_messages = 1},
           "<|im_start|>user\na<|im_end|>\n");
    args.variables_json = "{\"human_name\": \"H\", \"bot_name\": \"B\"}";
    expect("oasst-text", &args, "\nH: a\n\nB: ");
    args.variables_json = "{\"messages\": [{\"role\": \"user\", \"content\": null}]}";
    expect("oasst", &args, "the oasst formats want text as content of a message");
    expect("oasst-text", &args, "the oasst formats want text as content of a message");
}

/* What an answer is to be like, in a system part before it; context is last. */
static void test_text_template_named__properties(void **state)
{
    (void)state;
    static const struct {
        const char *properties, *want;
    } cases[] = {
        {"{\"lang\": \"en\", \"quality\": 0.75, \"humor\": 0, \"creativity\": 1.0, \"length\": 12}",
         "<|system|>lang: en\nquality: 0.8\nhumor: 0.0\ncreativity: 1.0\nlength: 12\n</s>"},
        {"{\"context\": \"a\\n b\", \"length\": 3, \"lang\": null}",
         "<|system|>length: 3\ncontext: a\n b\n</s>"},
        {"{\"context\": \" \", \"lang\": \"\"}", ""},
        {"{}", ""},
        {"null", ""},
        {"{\"quality\": 1.5}", NULL},
        {"{\"quality\": \"high\"}", NULL},
        {"{\"length\": 0}", NULL},
        {"{\"lang\": 3}", NULL},
        {"{\"mood\": 1}", NULL},
        {"[1]", NULL},
    };
    static const char *const errors[] = {
        "property quality must be a number from 0 to 1",
        "property quality must be a number from 0 to 1",
        "property length must be a whole number of 1 or more",
        "property lang must be text",
        "property mood is not known to the oasst format",
        "properties must be a mapping",
    };
    size_t n_errors = 0;
    for (size_t i = 0; i < OA__ARRAY_LEN(cases); i++) {
        char json[512], want[512];
        oa__render_args args = {.eos_token = "</s>", .variables_json = json};
        /* Of the message that is answered, and of the answer: the same text. */
        for (int answer = 0; answer < 2; answer++) {
            snprintf(json, sizeof json,
                     "{\"messages\": [{\"role\": \"user\", \"content\": \"q\"%s%s},"
                     "{\"role\": \"assistant\", \"content\": \"a\"%s%s}]}",
                     answer ? "" : ", \"properties\": ", answer ? "" : cases[i].properties,
                     answer ? ", \"properties\": " : "", answer ? cases[i].properties : "");
            snprintf(want, sizeof want, "<|prompter|>q</s>%s<|assistant|>a</s>",
                     cases[i].want ? cases[i].want : "");
            expect("oasst", &args, cases[i].want ? want : errors[n_errors]);
        }
        n_errors += cases[i].want == NULL;
    }
    assert_int_equal(n_errors, OA__ARRAY_LEN(errors));
}

/* A format is refused to a vocabulary that lacks one of its special tokens, as soon as it is
 * needed; a normal token of that spelling is none. */
static void test_text_template_named__special_tokens(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t n_messages;
        const char *lacks; /* without it it works */
    } cases[] = {
        {"oasst", 1, NULL},
        {"oasst", 2, "<|system|>"},
        {"oasst-v2", 2, NULL},
        {"oasst-prefix", 1, NULL},
        {"oasst-prefix", 2, "<|prefix_begin|>"},
        {"oasst-legacy", 1, "<human>"},
        {"oasst-text", 2, NULL},
        {"chatml", 1, "<|im_start|>"},
        {"llama-2", 1, "<s>"},
        {"zephyr", 1, NULL},
        {"plain", 2, NULL},
    };
    static small s;
    small_init_bpe(&s);
    small_add(&s, "<|prompter|>", OA__TOKEN_CONTROL, 0);
    small_add(&s, "<|assistant|>", OA__TOKEN_USER_DEFINED, 0);
    small_add(&s, "<|system|>", OA__TOKEN_NORMAL, 0);
    s.spec.eos_id = small_add(&s, "</s>", OA__TOKEN_CONTROL, 0);
    oa__vocab *v = small_new(&s);
    const oa__chat_message chat[] = {{"user", "a", 1}, {"system", "s", 1}};
    const oa__chat_message front[] = {{"system", "s", 1}, {"user", "a", 1}};
    for (size_t i = 0; i < OA__ARRAY_LEN(cases); i++) {
        oa__render_args args = {.messages = cases[i].n_messages == 1 ? chat : front,
                                .n_messages = cases[i].n_messages,
                                .add_generation_prompt = true,
                                .eos_token = "</s>",
                                .vocab = v};
        oa__str out = {0};
        const int rc = util_render(&out, oa__template_named(cases[i].name), &args);
        assert_int_equal(rc, cases[i].lacks ? OA_ETEMPLATE : OA_OK);
        if (cases[i].lacks) {
            char want[128];
            snprintf(want, sizeof want, "needs the special token %s, which the model's vocabulary",
                     cases[i].lacks);
            assert_non_null(strstr(out.data, want));
        }
        oa__str_free(&out);
    }
    /* Templates of others have no such function. */
    oa__render_args args = {.vocab = v};
    oa__str out = {0};
    assert_int_equal(util_render(&out, "{{ special_token is defined }}", &args), OA_OK);
    assert_string_equal(out.data, "False");
    oa__str_free(&out);
    oa__vocab_free(v);
}

/* Texts in variables that spell a special token get guards, those of tokens don't, and the names
 * that templates look up stay as they are. */
static void test_text_template_named__guards_variables(void **state)
{
    (void)state;
    static small s;
    small_init_bpe(&s);
    const int32_t end = small_add(&s, "<end>", OA__TOKEN_CONTROL, 0);
    oa__vocab *v = small_new(&s);
    oa__render_args args = {
        .vocab = v,
        .guard = true,
        .variables_json = "{\"messages\": [{\"role\": \"a\", \"content\": [{\"text\": \"x<end>\"}],"
                          "\"<end>\": \"\\u00fc<end>\"}], \"eos_token\": \"<end>\"}"};
    oa__str out = {0};
    assert_int_equal(util_render(&out,
                                 "{{ messages[0].content[0].text }}|{{ messages[0] | tojson }}"
                                 "{{ messages[0] | tojson(ensure_ascii=true) }}{{ eos_token }}",
                                 &args),
                     OA_OK);
    oa__ids ids = {0};
    assert_int_equal(
        oa__vocab_encode(v, out.data, out.len, OA_TOKENIZE_SPECIAL | OA__TOKENIZE_GUARDED, &ids),
        OA_OK);
    size_t n_ends = 0;
    for (size_t i = 0; i < ids.len; i++)
        n_ends += ids.data[i] == end;
    assert_int_equal(n_ends, 1); /* eos_token's */
    assert_int_equal(ids.data[ids.len - 1], end);
    oa__str text = {0};
    assert_int_equal(oa__vocab_decode(v, ids.data, ids.len, true, true, &text), OA_OK);
    assert_string_equal(text.data,
                        "x<end>|{\"role\": \"a\", \"content\": [{\"text\": \"x<end>\"}], "
                        "\"<end>\": \"\xC3\xBC<end>\"}{\"role\": \"a\", \"content\": "
                        "[{\"text\": \"x<end>\"}], \"<end>\": \"\\u00fc<end>\"}<end>");
    oa__str_free(&text);
    oa__ids_free(&ids);
    oa__str_free(&out);
    oa__vocab_free(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_template_named__texts),
        cmocka_unit_test(test_text_template_named__roles),
        cmocka_unit_test(test_text_template_named__properties),
        cmocka_unit_test(test_text_template_named__special_tokens),
        cmocka_unit_test(test_text_template_named__guards_variables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
