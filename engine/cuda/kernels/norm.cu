// LayerNorm with the residual add in front of it.

// x_out = x_in + factor * (delta + bias), with a factor an image or 1; y = norm(x_out). Without `delta`, x_in is normalised as it is.
extern "C" __global__ void __launch_bounds__(256) norm_forward(
    res* x_out, out* y, float2* stats, const res* x_in, const act* delta, const float* bias, const float* factors, const float* gamma,
    const float* beta, int rows, int count, int stride, int first) {
    await_previous();
    int row = blockIdx.x * 8 + threadIdx.x / 32;
    if (row >= rows) return;
    size_t at = place(row, count, stride, first);
    float factor = factors ? factors[row / count] : 1;
    float v[PER][8], sum = 0, squares = 0;
    EACH(j, chunk) {
        load8(v[j], x_in + at + chunk * 8);
        if (delta) {
            float d[8], b[8];
            load8(d, delta + at + chunk * 8);
            load8(b, bias + chunk * 8);
            for (int i = 0; i < 8; i++) v[j][i] += factor * (d[i] + b[i]);
            as_stored(v[j]);
            store8(x_out + at + chunk * 8, v[j]);
        }
        for (int i = 0; i < 8; i++) sum += v[j][i];
    }
    float mean = warp_sum(sum) / WIDTH;
    EACH(j, chunk) for (int i = 0; i < 8; i++) squares += (v[j][i] - mean) * (v[j][i] - mean);
    float scale = rsqrtf(warp_sum(squares) / WIDTH + 1e-6f);
    EACH(j, chunk) {
        float g[8], b[8];
        load8(g, gamma + chunk * 8);
        load8(b, beta + chunk * 8);
        for (int i = 0; i < 8; i++) v[j][i] = (v[j][i] - mean) * scale * g[i] + b[i];
        store8(y + (size_t)row * WIDTH + chunk * 8, v[j]);
    }
    if (threadIdx.x % 32 == 0) stats[row] = make_float2(mean, scale);
}

// grad_out = grad_in + the gradient of the norm's input. `branch`, where given, is the same times the factor of the branch that was added
// in front of the norm, rounded: the gradient of that branch's output. Parts of the sums over rows: gradients of gamma, of beta, and of
// the bias of that branch.
extern "C" __global__ void __launch_bounds__(128, PER > 3 ? 2 : PER > 2 ? 3 : 4) norm_backward(
    res* grad_out, act* branch, float* parts, const res* grad_in, const out* dy, const res* x, const float2* stats, const float* gamma,
    const float* factors, int rows, int count, int stride, int first) {
    await_previous();
    float sums[3][PER][8] = {};
    for (int row = blockIdx.x * 4 + threadIdx.x / 32; row < rows; row += gridDim.x * 4) {
        size_t at = place(row, count, stride, first);
        float factor = factors ? factors[row / count] : 1;
        float2 moments = stats[row];
        Eight<res> packed_x[PER], packed_old[PER];
        Eight<out> packed_dy[PER];
        float one = 0, two = 0;
        EACH(j, chunk) {
            packed_x[j].load(x + at + chunk * 8);
            packed_dy[j].load(dy + (size_t)row * WIDTH + chunk * 8);
            if (grad_in) packed_old[j].load(grad_in + at + chunk * 8);
            else packed_old[j].clear();
        }
        EACH(j, chunk) {
            float normal[8], d[8], g[8];
            packed_x[j].unpack(normal);
            packed_dy[j].unpack(d);
            load8(g, gamma + chunk * 8);
            for (int i = 0; i < 8; i++) {
                normal[i] = (normal[i] - moments.x) * moments.y;
                sums[0][j][i] += d[i] * normal[i];
                sums[1][j][i] += d[i];
                one += d[i] * g[i];
                two += d[i] * g[i] * normal[i];
            }
        }
        one = warp_sum(one) / WIDTH, two = warp_sum(two) / WIDTH;
        EACH(j, chunk) {
            float normal[8], d[8], g[8], old[8];
            packed_x[j].unpack(normal);
            packed_dy[j].unpack(d);
            packed_old[j].unpack(old);
            load8(g, gamma + chunk * 8);
            for (int i = 0; i < 8; i++) old[i] += moments.y * (d[i] * g[i] - one - (normal[i] - moments.x) * moments.y * two);
            store8(grad_out + at + chunk * 8, old);
            for (int i = 0; i < 8; i++) {
                old[i] *= factor;
                sums[2][j][i] += old[i];
            }
            if (branch) store8(branch + at + chunk * 8, old);
        }
    }
    write_parts(parts, sums);
}
