#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Run a Python script with the interpreter that has the modules.
exec "${OA_TEST_PYTHON:-python3}" "$@"
