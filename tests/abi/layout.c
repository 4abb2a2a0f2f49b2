/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sizes, offsets and numbers that programs were compiled with, on machines with pointers of 64
 * bits. A line here never changes: a field is added at the end of its struct, with a line of its
 * own, and the struct's size grows.
 */
#include <stddef.h>

#include <openassistant/openassistant.h>

#define SIZE(type, n) _Static_assert(sizeof(type) == (n), "size of " #type)
#define AT(type, field, n) _Static_assert(offsetof(type, field) == (n), #type "." #field)
#define VALUE(name, n) _Static_assert((name) == (n), #name)

#if UINTPTR_MAX > 0xffffffffu

/* error.h */
VALUE(OA_OK, 0);
VALUE(OA_EINVAL, -1);
VALUE(OA_ENOMEM, -2);
VALUE(OA_ENOTFOUND, -3);
VALUE(OA_EACCES, -4);
VALUE(OA_EIO, -5);
VALUE(OA_EFORMAT, -6);
VALUE(OA_EVERSION, -7);
VALUE(OA_EUNSUPPORTED, -8);
VALUE(OA_ENOTBUILT, -9);
VALUE(OA_EFULL, -10);
VALUE(OA_ECANCELLED, -11);
VALUE(OA_EBUSY, -12);
VALUE(OA_ELIMIT, -13);
VALUE(OA_ETEMPLATE, -14);
VALUE(OA_EINTERNAL, -15);

/* log.h */
VALUE(OA_LOG_DEFAULT, 0);
VALUE(OA_LOG_ERROR, 1);
VALUE(OA_LOG_WARN, 2);
VALUE(OA_LOG_INFO, 3);
VALUE(OA_LOG_DEBUG, 4);
VALUE(OA_LOG_TRACE, 5);

SIZE(oa_allocator, 32);
AT(oa_allocator, size, 0);
AT(oa_allocator, alloc_fn, 8);
AT(oa_allocator, free_fn, 16);
AT(oa_allocator, user, 24);

/* hub.h */
VALUE(OA_HUB_DATASET, 1);

SIZE(oa_hub_opts, 88);
AT(oa_hub_opts, size, 0);
AT(oa_hub_opts, flags, 8);
AT(oa_hub_opts, log_level, 12);
AT(oa_hub_opts, revision, 16);
AT(oa_hub_opts, endpoint, 24);
AT(oa_hub_opts, token, 32);
AT(oa_hub_opts, n_tries, 40);
AT(oa_hub_opts, retry_ms, 44);
AT(oa_hub_opts, stall_ms, 48);
AT(oa_hub_opts, reserved, 52);
AT(oa_hub_opts, log_fn, 56);
AT(oa_hub_opts, log_user, 64);
AT(oa_hub_opts, progress_fn, 72);
AT(oa_hub_opts, progress_user, 80);

/* model.h */
VALUE(OA_MODEL_NO_MMAP, 1);
VALUE(OA_MODEL_VOCAB_ONLY, 2);
VALUE(OA_CPU_BEST, 0);
VALUE(OA_CPU_C, 1);
VALUE(OA_CPU_AVX2, 2);
VALUE(OA_CPU_AVX512VNNI, 3);
VALUE(OA_CPU_NEON, 4);
VALUE(OA_CPU_DOTPROD, 5);
VALUE(OA_KV_F16, 0);
VALUE(OA_KV_F32, 1);
VALUE(OA_KV_Q8, 2);
VALUE(OA_TOKENIZE_SPECIAL, 1);
VALUE(OA_TOKENIZE_NO_BOS, 2);
VALUE(OA_TOKENIZE_NO_EOS, 4);
VALUE(OA_DETOKENIZE_SPECIAL, 1);
VALUE(OA_RENDER_ADD_GENERATION_PROMPT, 1);

SIZE(oa_model_opts, 72);
AT(oa_model_opts, size, 0);
AT(oa_model_opts, flags, 8);
AT(oa_model_opts, n_threads, 12);
AT(oa_model_opts, memory_limit, 16);
AT(oa_model_opts, cpu, 24);
AT(oa_model_opts, log_level, 28);
AT(oa_model_opts, log_fn, 32);
AT(oa_model_opts, log_user, 40);
AT(oa_model_opts, progress_fn, 48);
AT(oa_model_opts, progress_user, 56);
AT(oa_model_opts, allocator, 64);

SIZE(oa_model_info, 176);
AT(oa_model_info, size, 0);
AT(oa_model_info, path, 8);
AT(oa_model_info, architecture, 16);
AT(oa_model_info, name, 24);
AT(oa_model_info, license, 32);
AT(oa_model_info, type, 40);
AT(oa_model_info, tokenizer, 48);
AT(oa_model_info, chat_template, 56);
AT(oa_model_info, cpu, 64);
AT(oa_model_info, n_params, 72);
AT(oa_model_info, file_size, 80);
AT(oa_model_info, weights_size, 88);
AT(oa_model_info, n_layers, 96);
AT(oa_model_info, d_model, 100);
AT(oa_model_info, d_ff, 104);
AT(oa_model_info, n_heads, 108);
AT(oa_model_info, n_heads_kv, 112);
AT(oa_model_info, d_head, 116);
AT(oa_model_info, n_vocab, 120);
AT(oa_model_info, n_ctx_train, 124);
AT(oa_model_info, n_threads, 128);
AT(oa_model_info, bos_id, 132);
AT(oa_model_info, eos_id, 136);
AT(oa_model_info, eot_id, 140);
AT(oa_model_info, unk_id, 144);
AT(oa_model_info, pad_id, 148);
AT(oa_model_info, add_bos, 152);
AT(oa_model_info, add_eos, 156);
AT(oa_model_info, types, 160);
AT(oa_model_info, n_ctx_short, 168);
AT(oa_model_info, reserved, 172);

SIZE(oa_memory_estimate, 40);
AT(oa_memory_estimate, size, 0);
AT(oa_memory_estimate, weights_size, 8);
AT(oa_memory_estimate, cache_size, 16);
AT(oa_memory_estimate, work_size, 24);
AT(oa_memory_estimate, total_size, 32);

SIZE(oa_message, 24);
AT(oa_message, role, 0);
AT(oa_message, content, 8);
AT(oa_message, content_len, 16);

SIZE(oa_render_cut, 48);
AT(oa_render_cut, size, 0);
AT(oa_render_cut, n_ids, 8);
AT(oa_render_cut, n_cut, 16);
AT(oa_render_cut, n_messages, 24);
AT(oa_render_cut, n_partial, 32);
AT(oa_render_cut, n_added, 40);

SIZE(oa_render_opts, 48);
AT(oa_render_opts, size, 0);
AT(oa_render_opts, flags, 8);
AT(oa_render_opts, max_ids, 12);
AT(oa_render_opts, template_name, 16);
AT(oa_render_opts, template_text, 24);
AT(oa_render_opts, variables_json, 32);
AT(oa_render_opts, cut, 40);

/* convert.h */
VALUE(OA_CONVERT_PURE, 1);
VALUE(OA_CONVERT_NO_MMAP, 2);
VALUE(OA_CONVERT_PACK, 4);

SIZE(oa_convert_result, 48);
AT(oa_convert_result, size, 0);
AT(oa_convert_result, n_params, 8);
AT(oa_convert_result, in_size, 16);
AT(oa_convert_result, out_size, 24);
AT(oa_convert_result, n_tensors, 32);
AT(oa_convert_result, n_converted, 36);
AT(oa_convert_result, n_fallback, 40);
AT(oa_convert_result, n_requantised, 44);

SIZE(oa_convert_opts, 104);
AT(oa_convert_opts, size, 0);
AT(oa_convert_opts, flags, 8);
AT(oa_convert_opts, n_threads, 12);
AT(oa_convert_opts, type, 16);
AT(oa_convert_opts, log_level, 24);
AT(oa_convert_opts, reserved, 28);
AT(oa_convert_opts, log_fn, 32);
AT(oa_convert_opts, log_user, 40);
AT(oa_convert_opts, progress_fn, 48);
AT(oa_convert_opts, progress_user, 56);
AT(oa_convert_opts, allocator, 64);
AT(oa_convert_opts, result, 72);
AT(oa_convert_opts, adapter_paths, 80);
AT(oa_convert_opts, adapter_scales, 88);
AT(oa_convert_opts, n_adapters, 96);

/* eval.h */
VALUE(OA_PERPLEXITY_STEPS, 1);

SIZE(oa_perplexity_opts, 48);
AT(oa_perplexity_opts, size, 0);
AT(oa_perplexity_opts, flags, 8);
AT(oa_perplexity_opts, n_ctx, 12);
AT(oa_perplexity_opts, stride, 16);
AT(oa_perplexity_opts, max_windows, 20);
AT(oa_perplexity_opts, kv_type, 24);
AT(oa_perplexity_opts, n_batch, 28);
AT(oa_perplexity_opts, progress_fn, 32);
AT(oa_perplexity_opts, progress_user, 40);

SIZE(oa_perplexity_result, 72);
AT(oa_perplexity_result, size, 0);
AT(oa_perplexity_result, perplexity, 8);
AT(oa_perplexity_result, perplexity_error, 16);
AT(oa_perplexity_result, nll, 24);
AT(oa_perplexity_result, nll_error, 32);
AT(oa_perplexity_result, n_scored, 40);
AT(oa_perplexity_result, n_tokens, 48);
AT(oa_perplexity_result, n_windows, 56);
AT(oa_perplexity_result, n_ctx, 60);
AT(oa_perplexity_result, stride, 64);
AT(oa_perplexity_result, reserved, 68);

/* adapter.h */
SIZE(oa_adapter_info, 32);
AT(oa_adapter_info, size, 0);
AT(oa_adapter_info, n_matrices, 8);
AT(oa_adapter_info, rank, 12);
AT(oa_adapter_info, n_params, 16);
AT(oa_adapter_info, memory, 24);

/* head.h */
VALUE(OA_HEAD_REWARD, 0);
VALUE(OA_HEAD_LABELS, 1);
VALUE(OA_HEAD_NONE, 0);
VALUE(OA_HEAD_SIGMOID, 1);
VALUE(OA_HEAD_SOFTMAX, 2);

SIZE(oa_head_info, 32);
AT(oa_head_info, size, 0);
AT(oa_head_info, kind, 8);
AT(oa_head_info, n_scores, 12);
AT(oa_head_info, pooling, 16);
AT(oa_head_info, flags, 20);
AT(oa_head_info, function, 24);
AT(oa_head_info, reserved, 28);

/* session.h */
VALUE(OA_SESSION_NO_SHARING, 1);
VALUE(OA_SESSION_NO_DRAFT, 2);
VALUE(OA_POOL_MEAN, 0);
VALUE(OA_POOL_LAST, 1);
VALUE(OA_POOL_CLS, 2);
VALUE(OA_EMBED_NORMALIZE, 1);
VALUE(OA_FINISH_NONE, 0);
VALUE(OA_FINISH_END, 1);
VALUE(OA_FINISH_STOP, 2);
VALUE(OA_FINISH_LENGTH, 3);
VALUE(OA_FINISH_CANCELLED, 4);
VALUE(OA_FINISH_FULL, 5);
VALUE(OA_GENERATE_IGNORE_END, 1);
VALUE(OA_GENERATE_SPECIAL, 2);

SIZE(oa_session_opts, 80);
AT(oa_session_opts, size, 0);
AT(oa_session_opts, flags, 8);
AT(oa_session_opts, n_ctx, 12);
AT(oa_session_opts, kv_type, 16);
AT(oa_session_opts, n_batch, 20);
AT(oa_session_opts, progress_fn, 24);
AT(oa_session_opts, progress_user, 32);
AT(oa_session_opts, adapters, 40);
AT(oa_session_opts, adapter_scales, 48);
AT(oa_session_opts, n_adapters, 56);
AT(oa_session_opts, draft, 64);
AT(oa_session_opts, n_draft, 72);
AT(oa_session_opts, reserved, 76);

SIZE(oa_step, 40);
AT(oa_step, session, 0);
AT(oa_step, sampler, 8);
AT(oa_step, ids, 16);
AT(oa_step, n_ids, 24);
AT(oa_step, id, 32);
AT(oa_step, status, 36);

SIZE(oa_generate_opts, 32);
AT(oa_generate_opts, size, 0);
AT(oa_generate_opts, flags, 8);
AT(oa_generate_opts, max_tokens, 12);
AT(oa_generate_opts, stops, 16);
AT(oa_generate_opts, n_stops, 24);

SIZE(oa_generate_result, 80);
AT(oa_generate_result, size, 0);
AT(oa_generate_result, finish, 8);
AT(oa_generate_result, n_tokens, 12);
AT(oa_generate_result, n_prompt, 16);
AT(oa_generate_result, n_reused, 24);
AT(oa_generate_result, n_dropped, 32);
AT(oa_generate_result, prompt_ns, 40);
AT(oa_generate_result, generate_ns, 48);
AT(oa_generate_result, n_cut, 56);
AT(oa_generate_result, n_drafted, 64);
AT(oa_generate_result, n_accepted, 72);

/* sampler.h */
VALUE(OA_PARAM_INT, 1);
VALUE(OA_PARAM_FLOAT, 2);
VALUE(OA_PARAM_TEXT, 3);

SIZE(oa_sampler_opts, 16);
AT(oa_sampler_opts, size, 0);
AT(oa_sampler_opts, allocator, 8);

SIZE(oa_param, 64);
AT(oa_param, size, 0);
AT(oa_param, key, 8);
AT(oa_param, help, 16);
AT(oa_param, default_text, 24);
AT(oa_param, min_value, 32);
AT(oa_param, max_value, 40);
AT(oa_param, default_value, 48);
AT(oa_param, type, 56);
AT(oa_param, reserved, 60);

/* chat.h */
VALUE(OA_CHAT_DROP_OLDEST, 1);
VALUE(OA_CHAT_CUT_OLDEST, 2);

SIZE(oa_chat_opts, 56);
AT(oa_chat_opts, size, 0);
AT(oa_chat_opts, flags, 8);
AT(oa_chat_opts, max_tokens, 12);
AT(oa_chat_opts, system, 16);
AT(oa_chat_opts, template_name, 24);
AT(oa_chat_opts, template_text, 32);
AT(oa_chat_opts, session, 40);
AT(oa_chat_opts, max_prompt, 48);
AT(oa_chat_opts, reserved, 52);

#endif

int main(void)
{
    return 0; /* it compiled */
}
