/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Door of floor 3, hub: getting models and data sets, and finding those that are installed.
 *
 * What a server says is believed as little as what a file says: names that could leave the folder
 * are refused, sizes and checksums are held against what came, answers have limits.
 */
#ifndef OA_HUB_HUB_H
#define OA_HUB_HUB_H

#include "base/base.h"

enum oa__hub_kind { OA__HUB_MODEL, OA__HUB_DATASET };

/* Append the folder that things of this kind are installed in, without a slash at the end.
 * OA_ENOTFOUND when the environment does not say. */
int oa__hub_folder(oa__str *out, int kind);

/* Append the path of the installed model that a name stands for: a file of the models folder, a
 * name of the catalogue, OWNER/NAME[:FILE], or the beginning of a file's name. OA_ENOTFOUND says
 * how to get it when that is known; OA_EINVAL when several match. */
int oa__hub_find(const char *name, oa__str *out);
/* Whether a text looks like OWNER/NAME[:PART][@REVISION] and not like the path of a file. */
bool oa__hub_is_name(const char *text);

#endif
