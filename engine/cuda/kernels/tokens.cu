// The tokens at a stack's beginning and end, and the sums of their gradients.

// The tokens of a stack. Rows from .. from + seen of an image have an embedding, the others are `token`; each has its position added: row
// 0 the first, row t that of patch order[t - 1], or of patch t - 1 without an order.
extern "C" __global__ void __launch_bounds__(256) make_tokens(
    res* x, const act* embedded, const float* token, const float* positions, const u32* order, int rows, int tokens, int patches, int from,
    int seen) {
    await_previous();
    int row = blockIdx.x * 8 + threadIdx.x / 32;
    if (row >= rows) return;
    int image = row / tokens, t = row % tokens;
    size_t patch = !t ? 0 : order ? 1 + order[(size_t)image * patches + t - 1] : t;
    bool has = t >= from && t < from + seen;
    EACH(j, chunk) {
        float v[8], p[8];
        if (has) load8(v, embedded + ((size_t)image * seen + t - from) * WIDTH + chunk * 8);
        else load8(v, token + chunk * 8);
        load8(p, positions + patch * WIDTH + chunk * 8);
        for (int i = 0; i < 8; i++) v[i] += p[i];
        store8(x + (size_t)row * WIDTH + chunk * 8, v);
    }
}

// Rows of a gradient, rounded and compact where `compact` is given, and parts of their sum.
extern "C" __global__ void __launch_bounds__(256) take_rows(
    act* compact, float* parts, const res* grad, int rows, int count, int stride, int first) {
    await_previous();
    float sums[1][PER][8] = {};
    for (int row = blockIdx.x * 8 + threadIdx.x / 32; row < rows; row += gridDim.x * 8) {
        size_t at = place(row, count, stride, first);
        EACH(j, chunk) {
            float v[8];
            load8(v, grad + at + chunk * 8);
            for (int i = 0; i < 8; i++) sums[0][j][i] += v[i];
            if (compact) store8(compact + (size_t)row * WIDTH + chunk * 8, v);
        }
    }
    write_parts(parts, sums);
}

// The gradient of trained positions, a block a token: the sum over images. The first is also the CLS token's.
extern "C" __global__ void __launch_bounds__(128) token_sums(float* positions, float* cls, const res* grad, int images, int tokens) {
    await_previous();
    for (int chunk = threadIdx.x; chunk < CHUNKS; chunk += 128) {
        float sums[8] = {};
        for (int image = 0; image < images; image++) {
            float v[8];
            load8(v, grad + ((size_t)image * tokens + blockIdx.x) * WIDTH + chunk * 8);
            for (int i = 0; i < 8; i++) sums[i] += v[i];
        }
        store8(positions + (size_t)blockIdx.x * WIDTH + chunk * 8, sums);
        if (blockIdx.x == 0) store8(cls + chunk * 8, sums);
    }
}

// The mean of each image's patches after the last residual add, x + factor * (delta + bias); a block an image.
extern "C" __global__ void __launch_bounds__(128) pool_forward(
    res* pooled, const res* x, const act* delta, const float* bias, const float* factors, int tokens) {
    await_previous();
    float factor = factors ? factors[blockIdx.x] : 1;
    for (int chunk = threadIdx.x; chunk < CHUNKS; chunk += 128) {
        float sums[8] = {}, b[8];
        load8(b, bias + chunk * 8);
        for (int t = 1; t < tokens; t++) {
            float v[8], d[8];
            size_t at = ((size_t)blockIdx.x * tokens + t) * WIDTH + chunk * 8;
            load8(v, x + at);
            load8(d, delta + at);
            for (int i = 0; i < 8; i++) sums[i] += v[i] + factor * (d[i] + b[i]);
        }
        for (int i = 0; i < 8; i++) sums[i] /= tokens - 1;
        store8(pooled + (size_t)blockIdx.x * WIDTH + chunk * 8, sums);
    }
}

// The gradient of the stream from that of the pooled rows, and of the last branch where `branch` is given. A part an image: the sum over
// its tokens of the branch's gradient.
extern "C" __global__ void __launch_bounds__(128) pool_backward(
    res* grad, act* branch, float* parts, const res* dpooled, const float* factors, int tokens) {
    await_previous();
    float factor = factors ? factors[blockIdx.x] : 1;
    for (int chunk = threadIdx.x; chunk < CHUNKS; chunk += 128) {
        float whole[8], share[8], scaled[8], zeros[8] = {};
        load8(whole, dpooled + (size_t)blockIdx.x * WIDTH + chunk * 8);
        for (int i = 0; i < 8; i++) {
            share[i] = whole[i] / (tokens - 1);
            scaled[i] = share[i] * factor;
            whole[i] *= factor;
        }
        store8(parts + (size_t)blockIdx.x * WIDTH + chunk * 8, whole);
        for (int t = 0; t < tokens; t++) {
            size_t at = ((size_t)blockIdx.x * tokens + t) * WIDTH + chunk * 8;
            store8(grad + at, t ? share : zeros);
            if (branch) store8(branch + at, t ? scaled : zeros);
        }
    }
}
