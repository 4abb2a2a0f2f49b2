/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base_priv.h"

#include <string.h>

#include <openassistant/model.h>

#if defined(__x86_64__)
#include <cpuid.h>

/* The state that the operating system saves at a thread switch (XCR0); 0 = it does not say. */
static uint64_t saved_state(uint32_t leaf1_ecx)
{
    if (!(leaf1_ecx & bit_OSXSAVE)) return 0;
    uint32_t lo, hi;
    __asm__ __volatile__("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return (uint64_t)hi << 32 | lo;
}

unsigned oa__cpu_flags(void)
{
    enum { YMM = 0x6, ZMM = 0xe6 }; /* SSE and AVX; opmask and both halves of zmm besides */
    uint32_t a, b, c, d;

    if (!__get_cpuid(1, &a, &b, &c, &d)) return 0;
    uint32_t need1 = bit_AVX | bit_FMA | bit_F16C, leaf1_ecx = c;
    uint64_t saved = saved_state(leaf1_ecx);
    if ((leaf1_ecx & need1) != need1 || (saved & YMM) != YMM) return 0;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & bit_AVX2)) return 0;
    unsigned flags = OA__CPU_AVX2;
    uint32_t need7 = bit_AVX512F | bit_AVX512BW | bit_AVX512VL | bit_AVX512DQ;
    if ((b & need7) == need7 && (c & bit_AVX512VNNI) && (saved & ZMM) == ZMM)
        flags |= OA__CPU_AVX512VNNI;
    return flags;
}
#elif defined(__aarch64__)
#include <sys/auxv.h>

unsigned oa__cpu_flags(void)
{
    enum { HWCAP_BIT_ASIMD = 1 << 1, HWCAP_BIT_ASIMDDP = 1 << 20 };
    unsigned long caps = getauxval(AT_HWCAP);
    if (!(caps & HWCAP_BIT_ASIMD)) return 0;
    return OA__CPU_NEON | (caps & HWCAP_BIT_ASIMDDP ? OA__CPU_DOTPROD : 0u);
}
#else
unsigned oa__cpu_flags(void)
{
    return 0;
}
#endif

/* Those of a processor family are nested: what one row needs contains what those above it do. */
static const struct tier {
    uint32_t cpu;
    unsigned flags;
    const char *name;
} tiers[] = {
    {OA_CPU_C, 0, "c"},
    {OA_CPU_AVX2, OA__CPU_AVX2, "avx2"},
    {OA_CPU_AVX512VNNI, OA__CPU_AVX2 | OA__CPU_AVX512VNNI, "avx512vnni"},
    {OA_CPU_NEON, OA__CPU_NEON, "neon"},
    {OA_CPU_DOTPROD, OA__CPU_NEON | OA__CPU_DOTPROD, "dotprod"},
};

const char *oa__cpu_tier_name(uint32_t tier)
{
    if (tier == OA_CPU_BEST) return "best";
    for (size_t i = 0; i < OA__ARRAY_LEN(tiers); i++) {
        if (tiers[i].cpu == tier) return tiers[i].name;
    }
    return "unknown";
}

static bool runs(const struct tier *t, unsigned flags)
{
    return (t->flags & flags) == t->flags;
}

int oa__cpu_select(uint32_t cpu, unsigned *flags, uint32_t *tier)
{
    unsigned have = oa__cpu_flags();
    const struct tier *pick = NULL;

    if (cpu != OA_CPU_BEST) {
        for (size_t i = 0; i < OA__ARRAY_LEN(tiers); i++) {
            if (tiers[i].cpu == cpu) pick = &tiers[i];
        }
        if (!pick) return oa__err(OA_EINVAL, "cpu tier %u: no such tier", cpu);
        if (!runs(pick, have))
            return oa__err(OA_EUNSUPPORTED, "cpu tier %s: this machine lacks it", pick->name);
    } else {
        const char *cap = oa__env("OA_CPU");
        if (cap && cap[0]) {
            const struct tier *most = NULL;
            for (size_t i = 0; i < OA__ARRAY_LEN(tiers); i++) {
                if (strcmp(cap, tiers[i].name) == 0) most = &tiers[i];
            }
            if (!most)
                return oa__err(OA_EINVAL,
                               "environment OA_CPU=%s: want c, avx2, avx512vnni, neon or dotprod",
                               cap);
            have &= most->flags;
        }
        for (size_t i = 0; i < OA__ARRAY_LEN(tiers); i++) {
            if (runs(&tiers[i], have)) pick = &tiers[i];
        }
    }
    *flags = pick->flags;
    *tier = pick->cpu;
    return OA_OK;
}
