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

#include "template_util.h"

static const struct {
    const char *name, *text, *prompt; /* what add_generation_prompt adds */
} want[] = {
    {"oasst",
     "<|system|>Be brief.</s><|prompter|> H\xC3\xA4? </s><|assistant|>Yes\n</s><|prompter|>ok</s>",
     "<|assistant|>"},
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
    for (size_t i = 0; i < OA__ARRAY_LEN(want); i++) {
        assert_string_equal(names[i], want[i].name);
        const char *text = oa__template_named(want[i].name);
        assert_non_null(text);
        assert_int_equal(oa__template_check(NULL, text, strlen(text)), OA_OK);
        for (int prompt = 0; prompt < 2; prompt++) {
            oa__render_args args = util_args();
            oa__str out = {0}, all = {0};
            args.add_generation_prompt = prompt;
            oa__str_add_z(&all, want[i].text);
            if (prompt) oa__str_add_z(&all, want[i].prompt);
            assert_int_equal(util_render(&out, text, &args), OA_OK);
            assert_string_equal(out.data, all.data);
            oa__str_free(&out);
            oa__str_free(&all);
        }
    }
    assert_null(names[OA__ARRAY_LEN(want)]);
    assert_null(oa__template_named("nope"));
    assert_null(oa__template_named(NULL));
}

/* Without an eos token of the model, oasst falls back to GPT-NeoX's; prompter is a user. */
static void test_text_template_named__oasst(void **state)
{
    (void)state;
    const oa__chat_message chat[] = {{"prompter", "a", 1}, {"narrator", "b", 1}};
    oa__render_args args = {.messages = chat, .n_messages = 1, .add_generation_prompt = true};
    oa__str out = {0};
    assert_int_equal(util_render(&out, oa__template_named("oasst"), &args), OA_OK);
    assert_string_equal(out.data, "<|prompter|>a<|endoftext|><|assistant|>");
    oa__str_free(&out);
    args.n_messages = 2;
    assert_int_equal(util_render(&out, oa__template_named("oasst"), &args), OA_ETEMPLATE);
    oa__str_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_template_named__texts),
        cmocka_unit_test(test_text_template_named__oasst),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
