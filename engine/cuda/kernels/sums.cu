// Adds up what other kernels left in parts.

// Up to 32 columns of a sum.
struct Piece {
    const float* from;
    float* to;
    int parts, stride, columns, unused;
};

extern "C" __global__ void __launch_bounds__(256) sums(const Piece* pieces) {
    await_previous();
    __shared__ float shared[8][32];
    Piece piece = pieces[blockIdx.x];
    int column = threadIdx.x % 32, lane = threadIdx.x / 32;
    float sum = 0;
    if (column < piece.columns)
#pragma unroll 8
        for (int part = lane; part < piece.parts; part += 8) sum += piece.from[(size_t)part * piece.stride + column];
    shared[lane][column] = sum;
    __syncthreads();
    if (lane || column >= piece.columns) return;
    for (int i = 1; i < 8; i++) sum += shared[i][column];
    piece.to[column] = sum;
}
