# SPDX-License-Identifier: Apache-2.0
# bash completion for openassistant(1). The words come from the command's own option table.
_openassistant()
{
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} cmd=${COMP_WORDS[0]}
    local verb="" words="" i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
            -*) ;;
            *) verb=${COMP_WORDS[i]}; break ;;
        esac
    done
    COMPREPLY=()
    case $prev in
        -m | --model | --draft)
            words=$("$cmd" models 2>/dev/null | awk '{print $1}')
            mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur"; compgen -f -- "$cur")
            return
            ;;
        -f | --file | --tokenizer | --template-file | --load | --adapter | --head | --vs)
            mapfile -t COMPREPLY < <(compgen -f -- "$cur")
            return
            ;;
        --template)
            words="oasst oasst-v2.5 oasst-prefix oasst-v2 oasst-legacy oasst-text"
            words="$words chatml llama-2 zephyr plain"
            ;;
        --kv) words="f16 f32 q8" ;;
        --pooling) words="mean last cls" ;;
        --function) words="none sigmoid softmax" ;;
        --cpu) words="c avx2 avx512vnni neon dotprod" ;;
        --type)
            words=$("$cmd" help quantize 2>/dev/null | awk '/^Types/ {on = 1; next} on {print $1}')
            ;;
        *)
            if [[ -z $verb || $verb == help ]]; then
                words=$("$cmd" help --words 2>/dev/null)
            elif [[ $cur == -* ]]; then
                words=$("$cmd" help --words "$verb" 2>/dev/null)
            elif [[ $verb == convert || $verb == quantize || $verb == merge ||
                $verb == pack || $verb == perplexity ]]; then
                [[ $verb == quantize ]] && words=$("$cmd" help quantize 2>/dev/null |
                    awk '/^Types/ {on = 1; next} on {print $1}')
                mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur"; compgen -f -- "$cur")
                return
            elif [[ $verb == pull ]]; then
                words=$("$cmd" models known 2>/dev/null | awk '{print $1}')
            elif [[ $verb == models ]]; then
                if [[ $prev == models ]]; then
                    words="list known remove verify licence"
                else
                    words=$("$cmd" models 2>/dev/null | awk '{print $1}')
                fi
            elif [[ $verb == info ]]; then
                words=$("$cmd" models 2>/dev/null | awk '{print $1}')
                mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur"; compgen -f -- "$cur")
                return
            fi
            ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -o filenames -F _openassistant openassistant
