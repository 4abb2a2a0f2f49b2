/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file openassistant.h
 * Includes every public header of libopenassistant.
 *
 * The shortest useful program:
 * @code
 * oa_model *model = NULL;
 * oa_chat *chat = NULL;
 * if (oa_model_open(&model, "smollm2", NULL) == OA_OK && oa_chat_new(&chat, model, NULL) == OA_OK)
 *     oa_chat_say(chat, "Why is the sky blue?", on_text, user);
 * oa_chat_free(chat);
 * oa_model_free(model);
 * @endcode
 */
#ifndef OPENASSISTANT_OPENASSISTANT_H
#define OPENASSISTANT_OPENASSISTANT_H

#include <openassistant/adapter.h>
#include <openassistant/chat.h>
#include <openassistant/convert.h>
#include <openassistant/error.h>
#include <openassistant/eval.h>
#include <openassistant/head.h>
#include <openassistant/hub.h>
#include <openassistant/log.h>
#include <openassistant/model.h>
#include <openassistant/sampler.h>
#include <openassistant/session.h>
#include <openassistant/version.h>

#endif
