/* SPDX-License-Identifier: Apache-2.0 */
#include "util/test.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/base.h"
#include "util/fail_alloc.h"

static char folder[512];

static const char *in_folder(const char *name)
{
    static char path[4][1100];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

static void write_file(const char *path, const void *data, size_t size)
{
    oa__file_out *out;
    assert_ok(oa__file_out_open(&out, NULL, path));
    assert_ok(oa__file_out_write(out, data, size));
    assert_ok(oa__file_out_commit(out));
}

static int count_name(const char *name, void *arg)
{
    oa__str *seen = arg;
    OA__TRY(oa__str_addf(seen, "%s ", name));
    return strcmp(name, "stop") == 0 ? OA_ECANCELLED : OA_OK;
}

/* What the folder holds now, each name with a space. */
static void assert_listing(const char *want)
{
    oa__str seen = {0};
    assert_ok(oa__str_add_z(&seen, ""));
    assert_ok(oa__dir_list(NULL, folder, count_name, &seen));
    assert_string_equal(seen.data, want);
    oa__str_free(&seen);
}

static void test_base_file__out_appears_whole(void **state)
{
    const char *path = in_folder("whole");
    oa__file_out *out;
    char block[1000];
    memset(block, 'x', sizeof block);
    assert_ok(oa__file_out_open(&out, NULL, path));
    for (int i = 0; i < 200; i++)
        assert_ok(oa__file_out_write(out, block, sizeof block));
    assert_false(oa__file_exists(path));
    assert_ok(oa__file_out_commit(out));
    assert_listing("whole "); /* and no part is left */
    char *data;
    size_t len;
    assert_ok(oa__file_read(NULL, path, 200000, &data, &len));
    assert_int_equal(len, 200000);
    assert_int_equal(data[199999], 'x');
    assert_int_equal(data[200000], '\0');
    oa__free(NULL, data);
    assert_err(oa__file_read(NULL, path, 199999, &data, &len), OA_ELIMIT, "at most 199999");
    assert_null(data);

    write_file(path, "new", 3); /* replaces */
    assert_ok(oa__file_read(NULL, path, 3, &data, &len));
    assert_string_equal(data, "new");
    oa__free(NULL, data);
    unlink(path);
}

static void test_base_file__out_abandoned_leaves_nothing(void **state)
{
    oa__file_out *out;
    assert_ok(oa__file_out_open(&out, NULL, in_folder("gone")));
    assert_ok(oa__file_out_write(out, "abc", 3));
    oa__file_out_abandon(out);
    oa__file_out_abandon(NULL);
    assert_listing("");
    assert_err(oa__file_out_open(&out, NULL, in_folder("no/such/folder")), OA_ENOTFOUND, "create");
    assert_null(out);
}

static void test_base_file__out_fails_when_the_name_is_taken(void **state)
{
    oa__file_out *out;
    assert_ok(oa__file_out_open(&out, NULL, in_folder("taken")));
    assert_int_equal(mkdir(in_folder("taken"), 0700), 0);
    assert_err(oa__file_out_commit(out), OA_EIO, "rename"); /* a folder has got the name */
    assert_err(oa__file_out_open(&out, NULL, in_folder("taken")), OA_EIO, "directory");
    assert_null(out);
    assert_listing("taken ");
    rmdir(in_folder("taken"));
    /* What is no file keeps its place: root could replace /dev/null. */
    assert_int_equal(mkfifo(in_folder("pipe"), 0600), 0);
    assert_err(oa__file_out_open(&out, NULL, in_folder("pipe")), OA_EIO, "device or pipe");
    assert_listing("pipe ");
    unlink(in_folder("pipe"));
}

static void test_base_file__map(void **state)
{
    const char *path = in_folder("mapped");
    char block[10000];
    for (size_t i = 0; i < sizeof block; i++)
        block[i] = (char)i;
    write_file(path, block, sizeof block);
    for (int no_mmap = 0; no_mmap < 2; no_mmap++) {
        oa__map map;
        oa__mem mem;
        assert_ok(oa__mem_init(&mem, NULL, 0));
        assert_ok(oa__map_open(&map, &mem, path, no_mmap));
        assert_int_equal(map.size, sizeof block);
        assert_int_equal(map.mapped, !no_mmap);
        assert_true(mem.used >= sizeof block);
        assert_memory_equal(map.data, block, sizeof block);
        oa__map_drop(&map, 0, SIZE_MAX);
        oa__map_drop(&map, 5000, 5000);
        oa__map_drop(&map, SIZE_MAX, 1);
        assert_memory_equal(map.data, block, sizeof block); /* dropped is not lost */
        oa__map_close(&map);
        oa__map_close(&map);
        assert_int_equal(mem.used, 0);
        assert_ok(oa__mem_init(&mem, NULL, 5000));
        assert_err(oa__map_open(&map, &mem, path, no_mmap), OA_ENOMEM, "memory limit");
        assert_int_equal(mem.used, 0);
    }
    unlink(path);
}

static void test_base_file__map_refuses_what_is_no_file(void **state)
{
    oa__map map;
    for (int no_mmap = 0; no_mmap < 2; no_mmap++) {
        assert_err(oa__map_open(&map, NULL, folder, no_mmap), OA_EFORMAT, "is a directory");
        assert_err(oa__map_open(&map, NULL, in_folder("none"), no_mmap), OA_ENOTFOUND, "no such");
        assert_err(oa__map_open(&map, NULL, "/dev/null", no_mmap), OA_EFORMAT, "device or pipe");
        int fd = open(in_folder("empty"), O_CREAT | O_WRONLY, 0600);
        close(fd);
        assert_err(oa__map_open(&map, NULL, in_folder("empty"), no_mmap), OA_EFORMAT, "is empty");
        unlink(in_folder("empty"));
        if (mkfifo(in_folder("pipe"), 0600) == 0) { /* nobody writes: must not wait */
            assert_err(oa__map_open(&map, NULL, in_folder("pipe"), no_mmap), OA_EFORMAT, "pipe");
            unlink(in_folder("pipe"));
        }
    }
    char *data;
    size_t len;
    assert_err(oa__file_read(NULL, folder, 10, &data, &len), OA_EFORMAT, "is a directory");
    if (mkfifo(in_folder("pipe"), 0600) == 0) { /* used to wait for somebody to write */
        assert_err(oa__file_read(NULL, in_folder("pipe"), 10, &data, &len), OA_EFORMAT, "pipe");
        unlink(in_folder("pipe"));
    }
    assert_err(oa__file_read(NULL, in_folder("none"), 10, &data, &len), OA_ENOTFOUND, "no such");
}

static void test_base_file__list_is_sorted_and_stops(void **state)
{
    oa__str seen = {0};
    static const char *const names[] = {"b", "stop", "a", "zz", "B"};
    for (size_t i = 0; i < OA__ARRAY_LEN(names); i++)
        write_file(in_folder(names[i]), "1", 1);
    assert_int_equal(oa__dir_list(NULL, folder, count_name, &seen), OA_ECANCELLED);
    assert_string_equal(seen.data, "B a b stop ");
    for (size_t i = 0; i < OA__ARRAY_LEN(names); i++)
        unlink(in_folder(names[i]));
    assert_err(oa__dir_list(NULL, in_folder("none"), count_name, &seen), OA_ENOTFOUND, "no such");
    oa__str_free(&seen);
}

static int work(oa__mem *mem)
{
    oa__file_out *out;
    char *data;
    size_t len;
    oa__map map;
    oa__str seen = {.mem = mem};
    OA__TRY(oa__file_out_open(&out, mem, in_folder("f")));
    int rc = oa__file_out_write(out, "abc", 3);
    if (rc < 0) {
        oa__file_out_abandon(out);
        return rc;
    }
    OA__TRY(oa__file_out_commit(out));
    OA__TRY(oa__file_read(mem, in_folder("f"), 10, &data, &len));
    oa__free(mem, data);
    OA__TRY(oa__map_open(&map, mem, in_folder("f"), true));
    oa__map_close(&map);
    rc = oa__dir_list(mem, folder, count_name, &seen);
    oa__str_free(&seen);
    return rc;
}

static void test_base_file__every_allocation_may_fail(void **state)
{
    for (uint64_t nth = 1;; nth++) {
        struct fail_alloc fa;
        oa__mem mem;
        assert_ok(oa__mem_init(&mem, fail_alloc_init(&fa, nth), 0));
        int rc = work(&mem);
        assert_int_equal(rc, fail_alloc_hit(&fa) ? OA_ENOMEM : OA_OK);
        assert_int_equal(fail_alloc_live(&fa), 0);
        assert_int_equal(mem.used, 0);
        unlink(in_folder("f"));
        assert_listing("");
        if (!fail_alloc_hit(&fa)) {
            assert_true(nth > 5);
            break;
        }
    }
}

static void test_base_file__part_goes_on(void **state)
{
    const char *path = in_folder("big");
    char buf[10];
    oa__file_part *f, *other = (oa__file_part *)(uintptr_t)16;
    uint64_t size;
    size_t got;
    assert_ok(oa__file_part_open(&f, NULL, path));
    assert_string_equal(oa__file_part_path(f), in_folder("big.partial"));
    assert_ok(oa__file_part_write(f, 0, "abc", 3));
    assert_err(oa__file_part_open(&other, NULL, path), OA_EBUSY, "in use");
    assert_null(other);
    oa__file_part_close(f);
    assert_listing("big.partial ");
    assert_ok(oa__file_part_open(&f, NULL, path));
    assert_ok(oa__file_part_size(f, &size));
    assert_int_equal(size, 3);
    assert_ok(oa__file_part_write(f, 3, "def", 3));
    assert_ok(oa__file_part_cut(f, 5));
    assert_ok(oa__file_part_read(f, 1, buf, sizeof buf, &got));
    assert_int_equal(got, 4);
    assert_memory_equal(buf, "bcde", 4);
    assert_ok(oa__file_part_commit(f));
    assert_listing("big ");
    /* Who comes now begins anew, whatever has the final name. */
    assert_ok(oa__file_part_open(&f, NULL, path));
    assert_ok(oa__file_part_size(f, &size));
    assert_int_equal(size, 0);
    assert_ok(oa__file_part_write(f, 0, "much longer", 11));
    assert_ok(oa__file_part_replace(f, "xy", 2));
    oa__file_in *in;
    assert_ok(oa__file_in_open(&in, NULL, path));
    assert_ok(oa__file_in_read(in, buf, 1, &got));
    assert_ok(oa__file_in_read(in, buf + 1, 9, &got));
    assert_int_equal(got, 1);
    assert_memory_equal(buf, "xy", 2);
    assert_ok(oa__file_in_read(in, buf, 1, &got));
    assert_int_equal(got, 0);
    oa__file_in_close(in);
    oa__file_in_close(NULL);
    assert_ok(oa__file_part_open(&f, NULL, path));
    oa__file_part_remove(f);
    assert_listing("big ");
    unlink(path);
}

static void test_base_file__part_refuses_what_is_no_file(void **state)
{
    oa__file_part *f;
    oa__file_in *in;
    assert_int_equal(mkfifo(in_folder("p.partial"), 0600), 0);
    assert_err(oa__file_part_open(&f, NULL, in_folder("p")), OA_EIO, "device or pipe");
    unlink(in_folder("p.partial"));
    assert_int_equal(symlink("/dev/null", in_folder("p.partial")), 0);
    assert_err(oa__file_part_open(&f, NULL, in_folder("p")), OA_EIO, "open");
    unlink(in_folder("p.partial"));
    assert_err(oa__file_part_open(&f, NULL, in_folder("no/such")), OA_ENOTFOUND, "open");
    assert_null(f);
    assert_err(oa__file_in_open(&in, NULL, folder), OA_EFORMAT, "directory");
    assert_err(oa__file_in_open(&in, NULL, in_folder("none")), OA_ENOTFOUND, "open");
    assert_null(in);
    oa__file_part_close(NULL);
    oa__file_part_remove(NULL);
}

static void test_base_file__folders(void **state)
{
    oa__file_info info;
    uint64_t room;
    assert_ok(oa__dir_make(NULL, in_folder("a/b/c")));
    assert_ok(oa__dir_make(NULL, in_folder("a/b/c")));
    assert_ok(oa__file_stat(in_folder("a/b"), &info));
    assert_true(info.is_folder && !info.is_file);
    write_file(in_folder("a/f"), "12345", 5);
    assert_ok(oa__file_stat(in_folder("a/f"), &info));
    assert_true(info.is_file && info.size == 5 && info.mtime_ns > 0);
    assert_err(oa__dir_make(NULL, in_folder("a/f")), OA_EIO, "want a folder");
    assert_true(oa__dir_make(NULL, in_folder("a/f/g")) < 0);
    assert_err(oa__file_stat(in_folder("none"), &info), OA_ENOTFOUND, "");
    assert_err(oa__dir_remove(in_folder("a")), OA_EIO, "remove");
    assert_ok(oa__disk_free(folder, &room));
    assert_err(oa__disk_free(in_folder("none"), &room), OA_ENOTFOUND, "");
    assert_ok(oa__file_remove(in_folder("a/f")));
    assert_err(oa__file_remove(in_folder("a/f")), OA_ENOTFOUND, "remove");
    assert_ok(oa__dir_remove(in_folder("a/b/c")));
    assert_ok(oa__dir_remove(in_folder("a/b")));
    assert_ok(oa__dir_remove(in_folder("a")));
}

static int make_folder(void **state)
{
    snprintf(folder, sizeof folder, "%s/oa-test-XXXXXX",
             getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base_file__out_appears_whole),
        cmocka_unit_test(test_base_file__out_abandoned_leaves_nothing),
        cmocka_unit_test(test_base_file__out_fails_when_the_name_is_taken),
        cmocka_unit_test(test_base_file__map),
        cmocka_unit_test(test_base_file__map_refuses_what_is_no_file),
        cmocka_unit_test(test_base_file__list_is_sorted_and_stops),
        cmocka_unit_test(test_base_file__part_goes_on),
        cmocka_unit_test(test_base_file__part_refuses_what_is_no_file),
        cmocka_unit_test(test_base_file__folders),
        cmocka_unit_test(test_base_file__every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
