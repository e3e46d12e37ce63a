// Attention of few tokens by matrix instructions. A block has one head of one image, whose queries, keys and values are whole in shared
// memory; a warp has tiles of 16 queries or keys. A row of `qkv` has the queries of all heads, then the keys, then the values.
//
// TOKENS, HEAD (a multiple of 16), HEADS, and for each kernel WARPS, SPAN (tiles that a warp has at once) and BLOCKS (that a
// multiprocessor must have room for) are constants.
//
// Matrix instructions are m16n8k16. Lane 4 g + t of a result has rows g and g + 8, columns 2 t and 2 t + 1. A result of 16 x 16 becomes
// the left factor of the next product by rounding alone. Scores are in powers of two: `scale` is log2(e) / sqrt(HEAD).

#define TILES ((TOKENS + 15) / 16)
#define ROWS (TILES * 16)
#define PITCH (HEAD + 8) // so that the 16 bytes of 8 rows are in different banks
#define STEPS (HEAD / 16)
#define WIDTH (HEAD * HEADS)

// Where a number is in a matrix of HEAD columns.
__device__ inline int at(int row, int column) { return row * PITCH + column; }

// 16 rows as a left factor.
__device__ inline void left(u32 a[STEPS][4], const bf16* rows) {
    int lane = threadIdx.x % 32;
    for (int step = 0; step < STEPS; step++) matrices(a[step], rows + at(lane % 16, lane / 16 * 8 + step * 16));
}

// c (16 x 16) = a times the transpose of 16 rows, for each a.
template <int SPAN> __device__ inline void times_rows(float c[SPAN][2][4], const u32 a[SPAN][STEPS][4], const bf16* rows) {
    int lane = threadIdx.x % 32;
    for (int u = 0; u < SPAN; u++)
        for (int i = 0; i < 8; i++) c[u][i / 4][i % 4] = 0;
    for (int step = 0; step < STEPS; step++) {
        u32 b[4];
        matrices(b, rows + at(lane % 8 + lane / 16 * 8, lane / 8 % 2 * 8 + step * 16));
        for (int u = 0; u < SPAN; u++) {
            multiply(c[u][0], a[u][step], b[0], b[1]);
            multiply(c[u][1], a[u][step], b[2], b[3]);
        }
    }
}

// c (16 x HEAD) += a (16 x 16) times 16 rows, for each a.
template <int SPAN> __device__ inline void add_product(float c[SPAN][HEAD / 8][4], const u32 a[SPAN][4], const bf16* rows) {
    int lane = threadIdx.x % 32;
    for (int n = 0; n < STEPS; n++) {
        u32 b[4];
        matrices_turned(b, rows + at(lane % 16, lane / 16 * 8 + n * 16));
        for (int u = 0; u < SPAN; u++) {
            multiply(c[u][2 * n], a[u], b[0], b[1]);
            multiply(c[u][2 * n + 1], a[u], b[2], b[3]);
        }
    }
}

__device__ inline void as_left(u32 a[4], const float c[2][4]) {
    a[0] = pair(c[0][0], c[0][1]), a[1] = pair(c[0][2], c[0][3]), a[2] = pair(c[1][0], c[1][1]), a[3] = pair(c[1][2], c[1][3]);
}

// Fetches the tokens' rows of HEAD numbers; rows beyond them become zero.
template <int WARPS> __device__ inline void fetch(bf16* to, const bf16* from, int stride) {
    for (int i = threadIdx.x; i < ROWS * (HEAD / 8); i += 32 * WARPS) {
        int row = i / (HEAD / 8), column = i % (HEAD / 8) * 8;
        copy16(to + at(row, column), from + (size_t)(row < TOKENS ? row : 0) * stride + column, row >= TOKENS);
    }
}

// Writes the 16 rows of a tile through a warp's own place in shared memory, so that 16 bytes go out at a time.
__device__ inline void put(bf16* to, int stride, int tile, bf16* own, const float c[HEAD / 8][4], float first, float second) {
    int lane = threadIdx.x % 32;
    for (int n = 0; n < HEAD / 8; n++) {
        *(u32*)(own + at(lane / 4, n * 8 + lane % 4 * 2)) = pair(c[n][0] * first, c[n][1] * first);
        *(u32*)(own + at(lane / 4 + 8, n * 8 + lane % 4 * 2)) = pair(c[n][2] * second, c[n][3] * second);
    }
    __syncwarp();
    for (int i = lane; i < 16 * (HEAD / 8); i += 32) {
        int row = i / (HEAD / 8), column = i % (HEAD / 8) * 8;
        if (tile * 16 + row < TOKENS)
            *(uint4*)(to + (size_t)(tile * 16 + row) * stride + column) = *(uint4*)(own + at(row, column));
    }
    __syncwarp();
}

#define SPAN SPAN_FORWARD
#define WARPS WARPS_FORWARD
#define AT_ONCE (4 / SPAN) // tiles of keys between two looks at the largest score

// Dynamic shared memory: queries, keys, values, each ROWS x PITCH.
extern "C" __global__ void __launch_bounds__(32 * WARPS, BLOCKS_FORWARD) attention_forward(
    bf16* mixed, float* log_sums, const bf16* qkv, float scale) {
    await_previous();
    DYNAMIC_SHARED(bf16, q);
    bf16 *k = q + ROWS * PITCH, *v = k + ROWS * PITCH;
    int image = blockIdx.x / HEADS, head = blockIdx.x % HEADS, lane = threadIdx.x % 32;
    const bf16* from = qkv + (size_t)image * TOKENS * 3 * WIDTH + head * HEAD;
    fetch<WARPS>(q, from, 3 * WIDTH);
    fetch<WARPS>(k, from + WIDTH, 3 * WIDTH);
    fetch<WARPS>(v, from + 2 * WIDTH, 3 * WIDTH);
    await_copies();
    __syncthreads();
    for (int first = threadIdx.x / 32 * SPAN; first < TILES; first += WARPS * SPAN) {
        u32 queries[SPAN][STEPS][4];
        for (int u = 0; u < SPAN; u++) left(queries[u], q + min(first + u, TILES - 1) * 16 * PITCH);
        float o[SPAN][HEAD / 8][4] = {}, most[SPAN][2], sum[SPAN][2] = {};
        for (int u = 0; u < 2 * SPAN; u++) most[u / 2][u % 2] = -1e30f;
#pragma unroll
        for (int begin = 0; begin < TILES; begin += AT_ONCE) {
            float s[AT_ONCE][SPAN][2][4], top[SPAN][2];
            for (int u = 0; u < 2 * SPAN; u++) top[u / 2][u % 2] = most[u / 2][u % 2];
#pragma unroll
            for (int b = 0; b < AT_ONCE; b++) {
                if (begin + b >= TILES) continue;
                times_rows<SPAN>(s[b], queries, k + (begin + b) * 16 * PITCH);
                for (int u = 0; u < SPAN; u++)
                    for (int i = 0; i < 8; i++) {
                        float& score = s[b][u][i / 4][i % 4];
                        int key = (begin + b) * 16 + i / 4 * 8 + lane % 4 * 2 + i % 2;
                        if (TOKENS % 16 && begin + b == TILES - 1 && key >= TOKENS) score = -1e30f;
                        top[u][i / 2 % 2] = fmaxf(top[u][i / 2 % 2], score);
                    }
            }
            float minus[SPAN][2];
            for (int u = 0; u < SPAN; u++)
                for (int r = 0; r < 2; r++) {
                    top[u][r] = fmaxf(top[u][r], __shfl_xor_sync(0xffffffffu, top[u][r], 1));
                    top[u][r] = fmaxf(top[u][r], __shfl_xor_sync(0xffffffffu, top[u][r], 2));
                    minus[u][r] = -top[u][r] * scale;
                    if (begin) {
                        float shrink = quick_power((most[u][r] - top[u][r]) * scale);
                        sum[u][r] *= shrink;
                        for (int n = 0; n < HEAD / 8; n++) o[u][n][2 * r] *= shrink, o[u][n][2 * r + 1] *= shrink;
                    }
                    most[u][r] = top[u][r];
                }
#pragma unroll
            for (int b = 0; b < AT_ONCE; b++) {
                if (begin + b >= TILES) continue;
                u32 a[SPAN][4];
                for (int u = 0; u < SPAN; u++) {
                    for (int i = 0; i < 8; i++) {
                        float p = quick_power(fmaf(s[b][u][i / 4][i % 4], scale, minus[u][i / 2 % 2]));
                        s[b][u][i / 4][i % 4] = p;
                        sum[u][i / 2 % 2] += p;
                    }
                    as_left(a[u], s[b][u]);
                }
                add_product<SPAN>(o, a, v + (begin + b) * 16 * PITCH);
            }
        }
#pragma unroll
        for (int u = 0; u < SPAN; u++) {
            int tile = first + u;
            if (tile >= TILES) continue;
            for (int r = 0; r < 2; r++) {
                sum[u][r] += __shfl_xor_sync(0xffffffffu, sum[u][r], 1);
                sum[u][r] += __shfl_xor_sync(0xffffffffu, sum[u][r], 2);
                int row = tile * 16 + lane / 4 + 8 * r;
                if (lane % 4 == 0 && row < TOKENS)
                    log_sums[(size_t)blockIdx.x * TOKENS + row] = most[u][r] * scale + __log2f(sum[u][r]);
            }
            // The queries of this tile are in registers, so their place is free.
            bf16* to = mixed + (size_t)image * TOKENS * WIDTH + head * HEAD;
            put(to, WIDTH, tile, q + tile * 16 * PITCH, o[u], 1 / sum[u][0], 1 / sum[u][1]);
        }
    }
}

#undef SPAN
#undef WARPS
#define SPAN SPAN_BACKWARD
#define WARPS WARPS_BACKWARD

// Adds the columns of a tile's tokens to a warp's sums.
__device__ inline void add_columns(float* sums, int tile, const float c[HEAD / 8][4], float factor) {
    int lane = threadIdx.x % 32, row = tile * 16 + lane / 4;
    bool first = row < TOKENS, second = row + 8 < TOKENS;
    for (int n = 0; n < HEAD / 8; n++) {
        float a = (first ? c[n][0] : 0) + (second ? c[n][2] : 0), b = (first ? c[n][1] : 0) + (second ? c[n][3] : 0);
        for (int offset = 4; offset < 32; offset *= 2) {
            a += __shfl_xor_sync(0xffffffffu, a, offset);
            b += __shfl_xor_sync(0xffffffffu, b, offset);
        }
        if (lane < 4) sums[n * 8 + lane * 2] += a * factor, sums[n * 8 + lane * 2 + 1] += b * factor;
    }
}

// Dynamic shared memory: queries, keys, values and the output's gradient, each ROWS x PITCH; 16 rows a warp; two numbers a row; sums of
// 3 x HEAD columns a warp.
//
// Each warp first has keys (their gradients and the values' sum over queries), then queries: scores are computed twice more, nothing is
// added by two warps. Parts, a part an image: the sums of the gradient over tokens, which are the bias's.
extern "C" __global__ void __launch_bounds__(32 * WARPS, BLOCKS_BACKWARD) attention_backward(
    bf16* grad_qkv, float* parts, const bf16* qkv, const bf16* mixed, const bf16* grad_mixed, const float* log_sums, float scale) {
    await_previous();
    DYNAMIC_SHARED(bf16, q);
    bf16 *k = q + ROWS * PITCH, *v = k + ROWS * PITCH, *d = v + ROWS * PITCH, *own = d + ROWS * PITCH;
    float *log_sum = (float*)(own + WARPS * 16 * PITCH), *dot = log_sum + ROWS, *columns = dot + ROWS;
    int image = blockIdx.x / HEADS, head = blockIdx.x % HEADS, lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const bf16* from = qkv + (size_t)image * TOKENS * 3 * WIDTH + head * HEAD;
    size_t output = (size_t)image * TOKENS * WIDTH + head * HEAD;
    fetch<WARPS>(q, from, 3 * WIDTH);
    fetch<WARPS>(k, from + WIDTH, 3 * WIDTH);
    fetch<WARPS>(v, from + 2 * WIDTH, 3 * WIDTH);
    fetch<WARPS>(d, grad_mixed + output, WIDTH);
    // Rows beyond the tokens weigh nothing.
    for (int i = threadIdx.x; i < ROWS; i += 32 * WARPS)
        log_sum[i] = i < TOKENS ? log_sums[(size_t)blockIdx.x * TOKENS + i] : 1e30f;
    for (int i = threadIdx.x; i < WARPS * 3 * HEAD; i += 32 * WARPS) columns[i] = 0;
    await_copies();
    __syncthreads();
    // The product of each row of the output with its gradient; a thread a row.
    for (int row = threadIdx.x; row < ROWS; row += 32 * WARPS) {
        float sum = 0;
        if (row < TOKENS)
            for (int column = 0; column < HEAD; column += 8) {
                float a[8], b[8];
                load8(a, mixed + output + (size_t)row * WIDTH + column);
                load8(b, d + at(row, column));
                for (int j = 0; j < 8; j++) sum += a[j] * b[j];
            }
        dot[row] = sum;
    }
    __syncthreads();
    float back = scale * 0.69314718f, *sums = columns + warp * 3 * HEAD;
    bf16* to = grad_qkv + (size_t)image * TOKENS * 3 * WIDTH + head * HEAD;
    own += warp * 16 * PITCH;
    // Rows of keys beyond the tokens get nonsense that no one reads.
    for (int first = warp * SPAN; first < TILES; first += WARPS * SPAN) {
        u32 keys[SPAN][STEPS][4], values[SPAN][STEPS][4], a[SPAN][4];
        for (int u = 0; u < SPAN; u++) {
            left(keys[u], k + min(first + u, TILES - 1) * 16 * PITCH);
            left(values[u], v + min(first + u, TILES - 1) * 16 * PITCH);
        }
        float dk[SPAN][HEAD / 8][4] = {}, dv[SPAN][HEAD / 8][4] = {};
#pragma unroll 1
        for (int other = 0; other < TILES; other++) {
            float p[SPAN][2][4], s[SPAN][2][4];
            times_rows<SPAN>(p, keys, q + other * 16 * PITCH);
            times_rows<SPAN>(s, values, d + other * 16 * PITCH);
            for (int n = 0; n < 2; n++) {
                int query = other * 16 + n * 8 + lane % 4 * 2;
                float2 sum = *(float2*)(log_sum + query), same = *(float2*)(dot + query);
                for (int u = 0; u < SPAN; u++)
                    for (int i = 0; i < 4; i++) {
                        p[u][n][i] = quick_power(fmaf(p[u][n][i], scale, i % 2 ? -sum.y : -sum.x));
                        s[u][n][i] = p[u][n][i] * (s[u][n][i] - (i % 2 ? same.y : same.x));
                    }
            }
            for (int u = 0; u < SPAN; u++) as_left(a[u], p[u]);
            add_product<SPAN>(dv, a, d + other * 16 * PITCH);
            for (int u = 0; u < SPAN; u++) as_left(a[u], s[u]);
            add_product<SPAN>(dk, a, q + other * 16 * PITCH);
        }
#pragma unroll
        for (int u = 0; u < SPAN; u++) {
            int tile = first + u;
            if (tile >= TILES) continue;
            put(to + WIDTH, 3 * WIDTH, tile, own, dk[u], back, back);
            put(to + 2 * WIDTH, 3 * WIDTH, tile, own, dv[u], 1, 1);
            add_columns(sums + HEAD, tile, dk[u], back);
            add_columns(sums + 2 * HEAD, tile, dv[u], 1);
        }
    }
    for (int first = warp * SPAN; first < TILES; first += WARPS * SPAN) {
        u32 queries[SPAN][STEPS][4], grads[SPAN][STEPS][4], a[SPAN][4];
        float dq[SPAN][HEAD / 8][4] = {}, minus[SPAN][2], same[SPAN][2];
        for (int u = 0; u < SPAN; u++) {
            int row = min(first + u, TILES - 1) * 16;
            left(queries[u], q + row * PITCH);
            left(grads[u], d + row * PITCH);
            for (int r = 0; r < 2; r++) {
                minus[u][r] = -log_sum[row + lane / 4 + 8 * r];
                same[u][r] = dot[row + lane / 4 + 8 * r];
            }
        }
#pragma unroll 1
        for (int other = 0; other < TILES; other++) {
            float p[SPAN][2][4], s[SPAN][2][4];
            times_rows<SPAN>(p, queries, k + other * 16 * PITCH);
            times_rows<SPAN>(s, grads, v + other * 16 * PITCH);
            for (int u = 0; u < SPAN; u++) {
                for (int i = 0; i < 8; i++) {
                    float weight = quick_power(fmaf(p[u][i / 4][i % 4], scale, minus[u][i / 2 % 2]));
                    s[u][i / 4][i % 4] = weight * (s[u][i / 4][i % 4] - same[u][i / 2 % 2]);
                }
                if (TOKENS % 16 && other == TILES - 1)
                    for (int i = 0; i < 8; i++)
                        if (other * 16 + i / 4 * 8 + lane % 4 * 2 + i % 2 >= TOKENS) s[u][i / 4][i % 4] = 0;
                as_left(a[u], s[u]);
            }
            add_product<SPAN>(dq, a, k + other * 16 * PITCH);
        }
#pragma unroll
        for (int u = 0; u < SPAN; u++) {
            int tile = first + u;
            if (tile >= TILES) continue;
            put(to, 3 * WIDTH, tile, own, dq[u], back, back);
            add_columns(sums, tile, dq[u], back);
        }
    }
    __syncthreads();
    for (int i = threadIdx.x; i < 3 * HEAD; i += 32 * WARPS) {
        float sum = 0;
        for (int w = 0; w < WARPS; w++) sum += columns[w * 3 * HEAD + i];
        parts[(size_t)image * 3 * WIDTH + i / HEAD * WIDTH + head * HEAD + i % HEAD] = sum;
    }
}
