// Attention without matrix instructions: in single precision, and for heads and lengths that attention.cu has no room for. A block has one
// head of one image, a warp a query or a key at a time. Tensors, scale and parts are those of attention.cu.
//
// TOKENS, HEAD (up to 256) and HEADS are constants.

#define WIDTH (HEAD * HEADS)
#define WARPS 8
#define OWN ((HEAD + 31) / 32) // columns of a lane

// Scalar product of a row in shared memory with one of an activation.
__device__ inline float product(const float* own, const act* row) {
    float sum = 0;
    for (int c = 0; c < HEAD; c++) sum = fmaf(own[c], load1(row + c), sum);
    return sum;
}

// 2 to the power of x.
__device__ inline float power(float x) {
#ifdef ACT_F32
    return exp2f(x);
#else
    return quick_power(x);
#endif
}

// Dynamic shared memory: TOKENS + HEAD numbers a warp. A row's numbers are written behind the barrier that the row before was read by.
extern "C" __global__ void __launch_bounds__(32 * WARPS) attention_forward(act* mixed, float* log_sums, const act* qkv, float scale) {
    await_previous();
    DYNAMIC_SHARED(float, numbers);
    int image = blockIdx.x / HEADS, head = blockIdx.x % HEADS, lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    float *weights = numbers + warp * (TOKENS + HEAD), *query = weights + TOKENS;
    const act *q = qkv + (size_t)image * TOKENS * 3 * WIDTH + head * HEAD, *k = q + WIDTH, *v = k + WIDTH;
    for (int i = warp; i < TOKENS; i += WARPS) {
        for (int c = lane; c < HEAD; c += 32) query[c] = load1(q + (size_t)i * 3 * WIDTH + c) * scale;
        __syncwarp();
        float most = -1e30f, sum = 0;
        for (int j = lane; j < TOKENS; j += 32) {
            weights[j] = product(query, k + (size_t)j * 3 * WIDTH);
            most = fmaxf(most, weights[j]);
        }
        most = warp_most(most);
        for (int j = lane; j < TOKENS; j += 32) {
            weights[j] = power(weights[j] - most);
            sum += weights[j];
        }
        sum = warp_sum(sum);
        __syncwarp();
        for (int c = lane; c < HEAD; c += 32) {
            float value = 0;
            for (int j = 0; j < TOKENS; j++) value = fmaf(weights[j], load1(v + (size_t)j * 3 * WIDTH + c), value);
            store1(mixed + ((size_t)image * TOKENS + i) * WIDTH + head * HEAD + c, value / sum);
        }
        if (lane == 0) log_sums[(size_t)blockIdx.x * TOKENS + i] = most + log2f(sum);
    }
}

// Dynamic shared memory: TOKENS numbers; 2 x TOKENS + 2 x HEAD a warp, and its sums of 3 x HEAD columns.
extern "C" __global__ void __launch_bounds__(32 * WARPS) attention_backward(
    act* grad_qkv, float* parts, const act* qkv, const act* mixed, const act* grad_mixed, const float* log_sums, float scale) {
    await_previous();
    DYNAMIC_SHARED(float, dots);
    int image = blockIdx.x / HEADS, head = blockIdx.x % HEADS, lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    float *first = dots + TOKENS + warp * (2 * TOKENS + 5 * HEAD), *second = first + TOKENS, *own = second + TOKENS, *other = own + HEAD;
    const act *q = qkv + (size_t)image * TOKENS * 3 * WIDTH + head * HEAD, *k = q + WIDTH, *v = k + WIDTH;
    const act *o = mixed + (size_t)image * TOKENS * WIDTH + head * HEAD, *d = grad_mixed + (size_t)image * TOKENS * WIDTH + head * HEAD;
    act* to = grad_qkv + (size_t)image * TOKENS * 3 * WIDTH + head * HEAD;
    log_sums += (size_t)blockIdx.x * TOKENS;
    float back = scale * 0.69314718f, columns[3][OWN] = {};
    for (int i = warp; i < TOKENS; i += WARPS) {
        float sum = 0;
        for (int c = lane; c < HEAD; c += 32) sum += load1(o + (size_t)i * WIDTH + c) * load1(d + (size_t)i * WIDTH + c);
        sum = warp_sum(sum);
        if (lane == 0) dots[i] = sum;
    }
    __syncthreads();
    // Queries: the gradient of each is a sum over keys.
    for (int i = warp; i < TOKENS; i += WARPS) {
        for (int c = lane; c < HEAD; c += 32) {
            own[c] = load1(q + (size_t)i * 3 * WIDTH + c) * scale;
            other[c] = load1(d + (size_t)i * WIDTH + c);
        }
        __syncwarp();
        for (int j = lane; j < TOKENS; j += 32) {
            float weight = power(product(own, k + (size_t)j * 3 * WIDTH) - log_sums[i]);
            first[j] = weight * (product(other, v + (size_t)j * 3 * WIDTH) - dots[i]);
        }
        __syncwarp();
        for (int n = 0; n < OWN; n++) {
            int c = lane + 32 * n;
            if (c >= HEAD) continue;
            float sum = 0;
            for (int j = 0; j < TOKENS; j++) sum = fmaf(first[j], load1(k + (size_t)j * 3 * WIDTH + c), sum);
            store1(to + (size_t)i * 3 * WIDTH + c, sum * back);
            columns[0][n] += sum * back;
        }
    }
    // Keys: their gradients and those of the values are sums over queries.
    for (int j = warp; j < TOKENS; j += WARPS) {
        for (int c = lane; c < HEAD; c += 32) {
            own[c] = load1(k + (size_t)j * 3 * WIDTH + c) * scale;
            other[c] = load1(v + (size_t)j * 3 * WIDTH + c);
        }
        __syncwarp();
        for (int i = lane; i < TOKENS; i += 32) {
            second[i] = power(product(own, q + (size_t)i * 3 * WIDTH) - log_sums[i]);
            first[i] = second[i] * (product(other, d + (size_t)i * WIDTH) - dots[i]);
        }
        __syncwarp();
        for (int n = 0; n < OWN; n++) {
            int c = lane + 32 * n;
            if (c >= HEAD) continue;
            float dk = 0, dv = 0;
            for (int i = 0; i < TOKENS; i++) {
                dk = fmaf(first[i], load1(q + (size_t)i * 3 * WIDTH + c), dk);
                dv = fmaf(second[i], load1(d + (size_t)i * WIDTH + c), dv);
            }
            store1(to + WIDTH + (size_t)j * 3 * WIDTH + c, dk * back);
            store1(to + 2 * WIDTH + (size_t)j * 3 * WIDTH + c, dv);
            columns[1][n] += dk * back, columns[2][n] += dv;
        }
    }
    float* sums = dots + TOKENS + warp * (2 * TOKENS + 5 * HEAD) + 2 * TOKENS + 2 * HEAD;
    for (int which = 0; which < 3; which++)
        for (int n = 0; n < OWN; n++)
            if (lane + 32 * n < HEAD) sums[which * HEAD + lane + 32 * n] = columns[which][n];
    __syncthreads();
    for (int i = threadIdx.x; i < 3 * HEAD; i += 32 * WARPS) {
        float sum = 0;
        for (int w = 0; w < WARPS; w++) sum += dots[TOKENS + w * (2 * TOKENS + 5 * HEAD) + 2 * TOKENS + 2 * HEAD + i];
        parts[(size_t)image * 3 * WIDTH + i / HEAD * WIDTH + head * HEAD + i % HEAD] = sum;
    }
}
