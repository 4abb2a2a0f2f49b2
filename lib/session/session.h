/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Door of floor 6: sessions and chats. The floors above use the public headers; this door adds
 * nothing to them yet.
 */
#ifndef OA_SESSION_SESSION_H
#define OA_SESSION_SESSION_H

#include <openassistant/chat.h>
#include <openassistant/session.h>

#endif
