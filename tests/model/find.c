/* SPDX-License-Identifier: Apache-2.0 */
/* Installed models by name. */
#include "util/test.h"

#include <sys/stat.h>

#include "model/made.h"
#include "model/model.h"

static char root[256], folder[400];

static int set_up(void **state)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(root, sizeof root, "%s/oa-find-%ld", tmp ? tmp : "/tmp", (long)getpid());
    mkdir(root, 0700);
    snprintf(folder, sizeof folder, "%s/openassistant", root);
    mkdir(folder, 0700);
    snprintf(folder, sizeof folder, "%s/openassistant/models", root);
    mkdir(folder, 0700);
    setenv("XDG_DATA_HOME", root, 1);
    return 0;
}

static const char *in_folder(const char *name)
{
    static char path[800];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void put(const char *name)
{
    build b = made_model(NULL);
    made_write(in_folder(name), b.data, b.len);
    free(b.data);
}

static int tear_down(void **state)
{
    static const char *const names[] = {"Tiny-135M.Q4_1.gguf", "Tiny-135M.Q8_0.gguf",
                                        "other.gguf",          "Tiny",
                                        "half.gguf.part",      "tiny.gguf"};
    for (size_t i = 0; i < OA__ARRAY_LEN(names); i++)
        unlink(in_folder(names[i]));
    rmdir(folder);
    *strrchr(folder, '/') = '\0';
    rmdir(folder);
    rmdir(root);
    return 0;
}

static void found(const char *name, const char *want)
{
    char path[800];
    size_t len;
    assert_ok(oa_model_find(name, path, sizeof path, &len));
    assert_string_equal(path, in_folder(want));
    assert_int_equal(len, strlen(path));
}

static void test_model_find__names(void **state)
{
    char path[800];
    size_t len;
    assert_ok(oa_model_find(NULL, path, sizeof path, &len));
    assert_string_equal(path, folder);
    assert_ok(oa_model_find("", NULL, 0, &len));
    assert_int_equal(len, strlen(folder));
    assert_err(oa_model_find("tiny", path, sizeof path, &len), OA_ENOTFOUND, "no model \"tiny\"");

    put("Tiny-135M.Q4_1.gguf");
    put("other.gguf");
    put("half.gguf.part");
    found("tiny", "Tiny-135M.Q4_1.gguf");
    found("TINY-135m.q4", "Tiny-135M.Q4_1.gguf");
    found("Tiny-135M.Q4_1", "Tiny-135M.Q4_1.gguf");
    found("Tiny-135M.Q4_1.gguf", "Tiny-135M.Q4_1.gguf");
    found("other", "other.gguf");
    assert_err(oa_model_find("half", path, sizeof path, &len), OA_ENOTFOUND, "half");
    assert_err(oa_model_find("iny", path, sizeof path, &len), OA_ENOTFOUND, "iny");
    assert_err(oa_model_find("../models/other", path, sizeof path, &len), OA_EINVAL, "slash");
    assert_err(oa_model_find("other", path, 4, &len), OA_ELIMIT, "");
    assert_err(oa_model_find("other", NULL, 4, &len), OA_EINVAL, "NULL");

    put("Tiny-135M.Q8_0.gguf");
    assert_err(oa_model_find("tiny", path, sizeof path, &len), OA_EINVAL,
               "matches 2 files: "
               "Tiny-135M.Q4_1.gguf, Tiny-135M.Q8_0.gguf");
    found("tiny-135m.q8", "Tiny-135M.Q8_0.gguf");
    put("tiny.gguf");
    found("tiny", "tiny.gguf"); /* the name without .gguf wins over beginnings */
}

static void test_model_find__opens(void **state)
{
    oa_model *m;
    oa_model_info info = OA_MODEL_INFO_INIT;
    put("other.gguf");
    assert_ok(oa_model_open(&m, "oth", NULL));
    assert_ok(oa_model_get_info(m, &info));
    assert_string_equal(info.path, in_folder("other.gguf"));
    oa_model_free(m);
    oa_memory_estimate e = OA_MEMORY_ESTIMATE_INIT;
    assert_ok(oa_model_estimate_memory("other", NULL, 0, OA_KV_F16, &e));
    assert_true(e.weights_size > 0 && e.total_size > e.weights_size);
    assert_err(oa_model_open(&m, "nothing", NULL), OA_ENOTFOUND, "no model \"nothing\"");
}

static void test_model_find__folders(void **state)
{
    char path[800];
    setenv("XDG_DATA_HOME", "relative", 1);
    setenv("HOME", "/home/of-nobody", 1);
    assert_ok(oa_model_find("", path, sizeof path, NULL));
    assert_string_equal(path, "/home/of-nobody/.local/share/openassistant/models");
    assert_err(oa_model_find("tiny", path, sizeof path, NULL), OA_ENOTFOUND, "/home/of-nobody");
    unsetenv("HOME");
    unsetenv("XDG_DATA_HOME");
    assert_err(oa_model_find("", path, sizeof path, NULL), OA_ENOTFOUND, "HOME");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model_find__names),
        cmocka_unit_test(test_model_find__opens),
        cmocka_unit_test(test_model_find__folders),
    };
    return cmocka_run_group_tests_name("model_find", tests, set_up, tear_down);
}
