// Passing over cells of the KV cache that a token does not see, many at a time. Nothing else is computed, and nothing in
// another order: results are the same to the bit.

#pragma once

#include <cstring>

#include "ggml.h"

// A cell of [from, to] before which none is seen: `from`, and as many times sixteen as are not.
static inline int64_t corral_skip_unseen(const ggml_fp16_t * mask, int64_t from, int64_t to) {
    const uint64_t unseen = 0xFC00FC00FC00FC00ull; // minus infinity, four times in 16 bits
    for (; from + 16 <= to; from += 16) {
        uint64_t cells[4];
        memcpy(cells, mask + from, sizeof(cells));
        if (((cells[0] ^ unseen) | (cells[1] ^ unseen) | (cells[2] ^ unseen) | (cells[3] ^ unseen)) != 0) {
            break;
        }
    }
    return from;
}

// Whether none of the tokens [row, row + row_count) sees any of the cells [cell, cell + cell_count), of which there are
// a multiple of sixteen; of any other count it says that they are seen.
static inline bool corral_is_unseen(
        const ggml_tensor * mask, int64_t row, int64_t head, int64_t sequence, int row_count, int64_t cell, int cell_count) {
    const char * data = (const char *) mask->data
        + (head % mask->ne[2])*mask->nb[2] + (sequence % mask->ne[3])*mask->nb[3];
    for (int i = 0; i < row_count; ++i) {
        const ggml_fp16_t * cells = (const ggml_fp16_t *) (data + (row + i)*mask->nb[1]) + cell;
        if (corral_skip_unseen(cells, 0, cell_count) < cell_count) {
            return false;
        }
    }
    return true;
}
