# SPDX-License-Identifier: Apache-2.0
"""The public headers, declared once for ctypes.

Everything here is compared with ``include/openassistant/*.h`` by ``tests/python/test_abi.py``:
names, types and order of fields, sizes, offsets, numbers, and the signature of every function.
Handles are ``c_void_p``. Nothing here is part of the package's API.
"""

from ctypes import (
    CFUNCTYPE,
    POINTER,
    Structure,
    c_char,
    c_char_p,
    c_double,
    c_float,
    c_int,
    c_int32,
    c_size_t,
    c_uint32,
    c_uint64,
    c_void_p,
)
from typing import Any, Dict, List, Tuple, Type

#: The version of the headers that these declarations were written from.
VERSION_NUMBER = 100

# --- numbers ----------------------------------------------------------------------------------

ENUMS: Dict[str, Dict[str, int]] = {
    "oa_error": {
        "OA_OK": 0,
        "OA_EINVAL": -1,
        "OA_ENOMEM": -2,
        "OA_ENOTFOUND": -3,
        "OA_EACCES": -4,
        "OA_EIO": -5,
        "OA_EFORMAT": -6,
        "OA_EVERSION": -7,
        "OA_EUNSUPPORTED": -8,
        "OA_ENOTBUILT": -9,
        "OA_EFULL": -10,
        "OA_ECANCELLED": -11,
        "OA_EBUSY": -12,
        "OA_ELIMIT": -13,
        "OA_ETEMPLATE": -14,
        "OA_EINTERNAL": -15,
    },
    "oa_log_level": {
        "OA_LOG_DEFAULT": 0,
        "OA_LOG_ERROR": 1,
        "OA_LOG_WARN": 2,
        "OA_LOG_INFO": 3,
        "OA_LOG_DEBUG": 4,
        "OA_LOG_TRACE": 5,
    },
    "oa_hub_flags": {"OA_HUB_DATASET": 1},
    "oa_model_flags": {"OA_MODEL_NO_MMAP": 1, "OA_MODEL_VOCAB_ONLY": 2},
    "oa_cpu": {
        "OA_CPU_BEST": 0, "OA_CPU_C": 1, "OA_CPU_AVX2": 2, "OA_CPU_AVX512VNNI": 3,
        "OA_CPU_NEON": 4, "OA_CPU_DOTPROD": 5,
    },
    "oa_kv_type": {"OA_KV_F16": 0, "OA_KV_F32": 1, "OA_KV_Q8": 2},
    "oa_tokenize_flags": {
        "OA_TOKENIZE_SPECIAL": 1,
        "OA_TOKENIZE_NO_BOS": 2,
        "OA_TOKENIZE_NO_EOS": 4,
    },
    "oa_detokenize_flags": {"OA_DETOKENIZE_SPECIAL": 1},
    "oa_render_flags": {"OA_RENDER_ADD_GENERATION_PROMPT": 1},
    "oa_param_type": {"OA_PARAM_INT": 1, "OA_PARAM_FLOAT": 2, "OA_PARAM_TEXT": 3},
    "oa_session_flags": {"OA_SESSION_NO_SHARING": 1, "OA_SESSION_NO_DRAFT": 2},
    "oa_head_kind": {"OA_HEAD_REWARD": 0, "OA_HEAD_LABELS": 1},
    "oa_head_function": {"OA_HEAD_NONE": 0, "OA_HEAD_SIGMOID": 1, "OA_HEAD_SOFTMAX": 2},
    "oa_pooling": {"OA_POOL_MEAN": 0, "OA_POOL_LAST": 1, "OA_POOL_CLS": 2},
    "oa_embed_flags": {"OA_EMBED_NORMALIZE": 1},
    "oa_finish": {
        "OA_FINISH_NONE": 0,
        "OA_FINISH_END": 1,
        "OA_FINISH_STOP": 2,
        "OA_FINISH_LENGTH": 3,
        "OA_FINISH_CANCELLED": 4,
        "OA_FINISH_FULL": 5,
    },
    "oa_generate_flags": {"OA_GENERATE_IGNORE_END": 1, "OA_GENERATE_SPECIAL": 2},
    "oa_chat_flags": {"OA_CHAT_DROP_OLDEST": 1, "OA_CHAT_CUT_OLDEST": 2},
    "oa_perplexity_flags": {"OA_PERPLEXITY_STEPS": 1},
    "oa_convert_flags": {"OA_CONVERT_PURE": 1, "OA_CONVERT_NO_MMAP": 2, "OA_CONVERT_PACK": 4},
}

# --- callbacks --------------------------------------------------------------------------------

oa_log_fn = CFUNCTYPE(None, c_uint32, c_char_p, c_void_p)
oa_progress_fn = CFUNCTYPE(c_int, c_char_p, c_uint64, c_uint64, c_void_p)
oa_text_fn = CFUNCTYPE(c_int, POINTER(c_char), c_size_t, c_void_p)
oa_allocator_alloc_fn = CFUNCTYPE(c_void_p, c_size_t, c_void_p)
oa_allocator_free_fn = CFUNCTYPE(None, c_void_p, c_void_p)

CALLBACKS: Dict[str, Any] = {
    "oa_log_fn": oa_log_fn,
    "oa_progress_fn": oa_progress_fn,
    "oa_text_fn": oa_text_fn,
}

# --- structs ----------------------------------------------------------------------------------


class oa_allocator(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("alloc_fn", oa_allocator_alloc_fn),
        ("free_fn", oa_allocator_free_fn),
        ("user", c_void_p),
    ]


class oa_hub_opts(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("flags", c_uint32),
        ("log_level", c_uint32),
        ("revision", c_char_p),
        ("endpoint", c_char_p),
        ("token", c_char_p),
        ("n_tries", c_uint32),
        ("retry_ms", c_uint32),
        ("stall_ms", c_uint32),
        ("reserved", c_uint32),
        ("log_fn", oa_log_fn),
        ("log_user", c_void_p),
        ("progress_fn", oa_progress_fn),
        ("progress_user", c_void_p),
    ]


class oa_model_opts(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("flags", c_uint32),
        ("n_threads", c_uint32),
        ("memory_limit", c_uint64),
        ("cpu", c_uint32),
        ("log_level", c_uint32),
        ("log_fn", oa_log_fn),
        ("log_user", c_void_p),
        ("progress_fn", oa_progress_fn),
        ("progress_user", c_void_p),
        ("allocator", POINTER(oa_allocator)),
    ]


class oa_model_info(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("path", c_char_p),
        ("architecture", c_char_p),
        ("name", c_char_p),
        ("license", c_char_p),
        ("type", c_char_p),
        ("tokenizer", c_char_p),
        ("chat_template", c_char_p),
        ("cpu", c_char_p),
        ("n_params", c_uint64),
        ("file_size", c_uint64),
        ("weights_size", c_uint64),
        ("n_layers", c_uint32),
        ("d_model", c_uint32),
        ("d_ff", c_uint32),
        ("n_heads", c_uint32),
        ("n_heads_kv", c_uint32),
        ("d_head", c_uint32),
        ("n_vocab", c_uint32),
        ("n_ctx_train", c_uint32),
        ("n_threads", c_uint32),
        ("bos_id", c_int32),
        ("eos_id", c_int32),
        ("eot_id", c_int32),
        ("unk_id", c_int32),
        ("pad_id", c_int32),
        ("add_bos", c_uint32),
        ("add_eos", c_uint32),
        ("types", c_char_p),
        ("n_ctx_short", c_uint32),
        ("reserved", c_uint32),
    ]


class oa_memory_estimate(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("weights_size", c_uint64),
        ("cache_size", c_uint64),
        ("work_size", c_uint64),
        ("total_size", c_uint64),
    ]


class oa_message(Structure):
    _fields_ = [("role", c_char_p), ("content", c_char_p), ("content_len", c_size_t)]


class oa_render_cut(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("n_ids", c_uint64),
        ("n_cut", c_uint64),
        ("n_messages", c_uint64),
        ("n_partial", c_uint64),
        ("n_added", c_uint64),
    ]


class oa_render_opts(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("flags", c_uint32),
        ("max_ids", c_uint32),
        ("template_name", c_char_p),
        ("template_text", c_char_p),
        ("variables_json", c_char_p),
        ("cut", POINTER(oa_render_cut)),
    ]


class oa_convert_result(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("n_params", c_uint64),
        ("in_size", c_uint64),
        ("out_size", c_uint64),
        ("n_tensors", c_uint32),
        ("n_converted", c_uint32),
        ("n_fallback", c_uint32),
        ("n_requantised", c_uint32),
    ]


class oa_convert_opts(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("flags", c_uint32),
        ("n_threads", c_uint32),
        ("type", c_char_p),
        ("log_level", c_uint32),
        ("reserved", c_uint32),
        ("log_fn", oa_log_fn),
        ("log_user", c_void_p),
        ("progress_fn", oa_progress_fn),
        ("progress_user", c_void_p),
        ("allocator", POINTER(oa_allocator)),
        ("result", POINTER(oa_convert_result)),
        ("adapter_paths", POINTER(c_char_p)),
        ("adapter_scales", POINTER(c_float)),
        ("n_adapters", c_size_t),
    ]


class oa_perplexity_opts(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("flags", c_uint32),
        ("n_ctx", c_uint32),
        ("stride", c_uint32),
        ("max_windows", c_uint32),
        ("kv_type", c_uint32),
        ("n_batch", c_uint32),
        ("progress_fn", oa_progress_fn),
        ("progress_user", c_void_p),
    ]


class oa_perplexity_result(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("perplexity", c_double),
        ("perplexity_error", c_double),
        ("nll", c_double),
        ("nll_error", c_double),
        ("n_scored", c_uint64),
        ("n_tokens", c_uint64),
        ("n_windows", c_uint32),
        ("n_ctx", c_uint32),
        ("stride", c_uint32),
        ("reserved", c_uint32),
    ]


class oa_sampler_opts(Structure):
    _fields_ = [("size", c_size_t), ("allocator", POINTER(oa_allocator))]


class oa_param(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("key", c_char_p),
        ("help", c_char_p),
        ("default_text", c_char_p),
        ("min_value", c_double),
        ("max_value", c_double),
        ("default_value", c_double),
        ("type", c_uint32),
        ("reserved", c_uint32),
    ]


class oa_session_opts(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("flags", c_uint32),
        ("n_ctx", c_uint32),
        ("kv_type", c_uint32),
        ("n_batch", c_uint32),
        ("progress_fn", oa_progress_fn),
        ("progress_user", c_void_p),
        ("adapters", POINTER(c_void_p)),
        ("adapter_scales", POINTER(c_float)),
        ("n_adapters", c_size_t),
        ("draft", c_void_p),
        ("n_draft", c_uint32),
        ("reserved", c_uint32),
    ]


class oa_adapter_info(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("n_matrices", c_uint32),
        ("rank", c_uint32),
        ("n_params", c_uint64),
        ("memory", c_uint64),
    ]


class oa_head_info(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("kind", c_uint32),
        ("n_scores", c_uint32),
        ("pooling", c_uint32),
        ("flags", c_uint32),
        ("function", c_uint32),
        ("reserved", c_uint32),
    ]


class oa_step(Structure):
    _fields_ = [
        ("session", c_void_p),
        ("sampler", c_void_p),
        ("ids", POINTER(c_int32)),
        ("n_ids", c_size_t),
        ("id", c_int32),
        ("status", c_int32),
    ]


class oa_generate_opts(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("flags", c_uint32),
        ("max_tokens", c_uint32),
        ("stops", POINTER(c_char_p)),
        ("n_stops", c_size_t),
    ]


class oa_generate_result(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("finish", c_uint32),
        ("n_tokens", c_uint32),
        ("n_prompt", c_uint64),
        ("n_reused", c_uint64),
        ("n_dropped", c_uint64),
        ("prompt_ns", c_uint64),
        ("generate_ns", c_uint64),
        ("n_cut", c_uint64),
        ("n_drafted", c_uint64),
        ("n_accepted", c_uint64),
    ]


class oa_chat_opts(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("flags", c_uint32),
        ("max_tokens", c_uint32),
        ("system", c_char_p),
        ("template_name", c_char_p),
        ("template_text", c_char_p),
        ("session", POINTER(oa_session_opts)),
        ("max_prompt", c_uint32),
        ("reserved", c_uint32),
    ]


STRUCTS: List[Type[Structure]] = [
    oa_allocator,
    oa_hub_opts,
    oa_model_opts,
    oa_model_info,
    oa_memory_estimate,
    oa_message,
    oa_render_cut,
    oa_render_opts,
    oa_convert_result,
    oa_convert_opts,
    oa_perplexity_opts,
    oa_perplexity_result,
    oa_sampler_opts,
    oa_param,
    oa_session_opts,
    oa_adapter_info,
    oa_head_info,
    oa_step,
    oa_generate_opts,
    oa_generate_result,
    oa_chat_opts,
]

# --- functions --------------------------------------------------------------------------------

_handle = c_void_p
_handle_out = POINTER(c_void_p)
_size_out = POINTER(c_size_t)
_buf = POINTER(c_char)
_ids = POINTER(c_int32)

#: name: (result, arguments)
FUNCTIONS: Dict[str, Tuple[Any, List[Any]]] = {
    # version.h
    "oa_version": (c_char_p, []),
    "oa_version_number": (c_uint32, []),
    "oa_build_info": (c_char_p, []),
    # error.h
    "oa_error_last": (c_char_p, []),
    "oa_error_name": (c_char_p, [c_int]),
    "oa_error_text": (c_char_p, [c_int]),
    # hub.h
    "oa_hub_pull": (c_int, [c_char_p, POINTER(oa_hub_opts), _buf, c_size_t, _size_out]),
    "oa_hub_copy_installed": (c_int, [POINTER(oa_hub_opts), _buf, c_size_t, _size_out]),
    "oa_hub_copy_catalogue": (c_int, [_buf, c_size_t, _size_out]),
    "oa_hub_verify": (c_int, [c_char_p, POINTER(oa_hub_opts)]),
    "oa_hub_remove": (c_int, [c_char_p, POINTER(oa_hub_opts)]),
    # model.h
    "oa_model_open": (c_int, [_handle_out, c_char_p, POINTER(oa_model_opts)]),
    "oa_model_ref": (_handle, [_handle]),
    "oa_model_free": (None, [_handle]),
    "oa_model_get_info": (c_int, [_handle, POINTER(oa_model_info)]),
    "oa_model_get_meta_count": (c_int, [_handle, _size_out]),
    "oa_model_get_meta_key": (c_int, [_handle, c_size_t, POINTER(c_char_p)]),
    "oa_model_copy_meta": (c_int, [_handle, c_char_p, _buf, c_size_t, _size_out]),
    "oa_model_estimate_memory": (
        c_int,
        [c_char_p, POINTER(oa_model_opts), c_uint32, c_uint32, POINTER(oa_memory_estimate)],
    ),
    "oa_model_find": (c_int, [c_char_p, _buf, c_size_t, _size_out]),
    "oa_model_tokenize": (
        c_int,
        [_handle, c_char_p, c_size_t, c_uint32, _ids, c_size_t, _size_out],
    ),
    "oa_model_tokenize_pair": (
        c_int,
        [
            _handle,
            c_char_p,
            c_size_t,
            c_char_p,
            c_size_t,
            c_uint32,
            _ids,
            c_size_t,
            _size_out,
            _size_out,
        ],
    ),
    "oa_model_detokenize": (
        c_int,
        [_handle, _ids, c_size_t, c_uint32, _buf, c_size_t, _size_out],
    ),
    "oa_model_is_end": (c_int, [_handle, c_int32]),
    "oa_model_render_chat": (
        c_int,
        [
            _handle,
            POINTER(oa_message),
            c_size_t,
            c_size_t,
            POINTER(oa_render_opts),
            _buf,
            c_size_t,
            _size_out,
        ],
    ),
    "oa_model_tokenize_chat": (
        c_int,
        [
            _handle,
            POINTER(oa_message),
            c_size_t,
            c_size_t,
            POINTER(oa_render_opts),
            _ids,
            c_size_t,
            _size_out,
        ],
    ),
    # sampler.h
    "oa_sampler_new": (c_int, [_handle_out, POINTER(oa_sampler_opts)]),
    "oa_sampler_fork": (c_int, [_handle_out, _handle]),
    "oa_sampler_free": (None, [_handle]),
    "oa_sampler_get_param": (c_int, [c_size_t, POINTER(oa_param)]),
    "oa_sampler_set": (c_int, [_handle, c_char_p, c_double]),
    "oa_sampler_set_text": (c_int, [_handle, c_char_p, c_char_p]),
    "oa_sampler_get": (c_int, [_handle, c_char_p, POINTER(c_double)]),
    "oa_sampler_copy_text": (c_int, [_handle, c_char_p, _buf, c_size_t, _size_out]),
    "oa_sampler_set_bias": (c_int, [_handle, c_int32, c_float]),
    "oa_sampler_pick": (c_int, [_handle, POINTER(c_float), c_size_t, _ids]),
    "oa_sampler_accept": (c_int, [_handle, c_int32]),
    "oa_sampler_reset": (c_int, [_handle]),
    # adapter.h
    "oa_adapter_open": (c_int, [_handle_out, _handle, c_char_p]),
    "oa_adapter_free": (None, [_handle]),
    "oa_adapter_get_info": (c_int, [_handle, POINTER(oa_adapter_info)]),
    # head.h
    "oa_head_open": (c_int, [_handle_out, _handle, c_char_p]),
    "oa_head_free": (None, [_handle]),
    "oa_head_get_info": (c_int, [_handle, POINTER(oa_head_info)]),
    "oa_head_get_label": (c_int, [_handle, c_size_t, POINTER(c_char_p)]),
    "oa_head_apply": (
        c_int,
        [_handle, POINTER(c_float), c_size_t, POINTER(c_float), c_size_t],
    ),
    "oa_head_probabilities": (c_int, [_handle, c_uint32, POINTER(c_float), c_size_t]),
    "oa_head_save": (c_int, [_handle, c_char_p]),
    # session.h
    "oa_session_new": (c_int, [_handle_out, _handle, POINTER(oa_session_opts)]),
    "oa_session_free": (None, [_handle]),
    "oa_session_fork": (c_int, [_handle_out, _handle]),
    "oa_session_append": (c_int, [_handle, _ids, c_size_t]),
    "oa_session_set_ids": (c_int, [_handle, _ids, c_size_t, _size_out]),
    "oa_session_step": (c_int, [_handle, _handle, _ids]),
    "oa_session_step_many": (c_int, [POINTER(oa_step), c_size_t, c_size_t]),
    "oa_session_generate": (
        c_int,
        [
            _handle,
            _handle,
            POINTER(oa_generate_opts),
            oa_text_fn,
            c_void_p,
            POINTER(oa_generate_result),
        ],
    ),
    "oa_session_truncate": (c_int, [_handle, c_size_t]),
    "oa_session_get_ids": (c_int, [_handle, POINTER(_ids), _size_out]),
    "oa_session_get_logits": (c_int, [_handle, POINTER(POINTER(c_float)), _size_out]),
    "oa_session_append_logits": (c_int, [_handle, _ids, c_size_t, POINTER(c_float), c_size_t]),
    "oa_session_embed": (
        c_int,
        [_handle, _ids, c_size_t, c_uint32, c_uint32, POINTER(c_float), c_size_t],
    ),
    "oa_session_embed_pair": (
        c_int,
        [_handle, _ids, c_size_t, c_size_t, c_uint32, c_uint32, POINTER(c_float), c_size_t],
    ),
    "oa_session_save": (c_int, [_handle, c_char_p]),
    "oa_session_open_saved": (c_int, [_handle_out, _handle, c_char_p, POINTER(oa_session_opts)]),
    # convert.h
    "oa_convert": (c_int, [c_char_p, c_char_p, POINTER(oa_convert_opts)]),
    "oa_convert_get_type": (c_int, [c_size_t, POINTER(c_char_p), POINTER(c_char_p)]),
    # eval.h
    "oa_eval_perplexity": (
        c_int,
        [
            _handle,
            c_char_p,
            c_size_t,
            POINTER(oa_perplexity_opts),
            POINTER(oa_perplexity_result),
        ],
    ),
    # chat.h
    "oa_chat_new": (c_int, [_handle_out, _handle, POINTER(oa_chat_opts)]),
    "oa_chat_free": (None, [_handle]),
    "oa_chat_say": (c_int, [_handle, c_char_p, oa_text_fn, c_void_p]),
    "oa_chat_regenerate": (c_int, [_handle, oa_text_fn, c_void_p]),
    "oa_chat_edit": (c_int, [_handle, c_size_t, c_char_p, oa_text_fn, c_void_p]),
    "oa_chat_back": (c_int, [_handle, c_size_t]),
    "oa_chat_get_branches": (c_int, [_handle, c_size_t, _size_out, _size_out]),
    "oa_chat_select": (c_int, [_handle, c_size_t, c_size_t]),
    "oa_chat_get_count": (c_int, [_handle, _size_out]),
    "oa_chat_get_message": (c_int, [_handle, c_size_t, POINTER(oa_message), c_size_t]),
    "oa_chat_set_system": (c_int, [_handle, c_char_p]),
    "oa_chat_get_sampler": (c_int, [_handle, _handle_out]),
    "oa_chat_get_result": (c_int, [_handle, POINTER(oa_generate_result)]),
    "oa_chat_save": (c_int, [_handle, c_char_p]),
    "oa_chat_open_saved": (c_int, [_handle_out, _handle, c_char_p, POINTER(oa_chat_opts)]),
}
