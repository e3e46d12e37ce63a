// The cross-entropy of a classifier with soft labels.

// For each row -sum(share * log softmax(logits)) times `weight`, and its gradient. A share of 0 adds nothing, however unlikely the class
// is. A warp has a row.
extern "C" __global__ void __launch_bounds__(256) cross_entropy(
    float* gradient, float* losses, const float* logits, const float* shares, int rows, int classes, float weight) {
    await_previous();
    int row = blockIdx.x * 8 + threadIdx.x / 32, lane = threadIdx.x % 32;
    if (row >= rows) return;
    logits += (size_t)row * classes, shares += (size_t)row * classes, gradient += (size_t)row * classes;
    float most = -__uint_as_float(0x7f800000u), sum = 0, all = 0, loss = 0;
    for (int c = lane; c < classes; c += 32) most = fmaxf(most, logits[c]);
    most = warp_most(most);
    for (int c = lane; c < classes; c += 32) {
        sum += expf(logits[c] - most);
        all += shares[c];
    }
    sum = warp_sum(sum), all = warp_sum(all);
    float log_sum = logf(sum);
    for (int c = lane; c < classes; c += 32) {
        float log = logits[c] - most - log_sum, share = shares[c];
        if (share != 0) loss -= share * log;
        gradient[c] = (expf(log) * all - share) * weight;
    }
    loss = warp_sum(loss);
    if (lane == 0) losses[row] = loss * weight;
}
