//! Matrix products by cuBLASLt, sums in single precision. Matrices are row by row, so to cuBLASLt every one is its transpose.
//!
//! The first algorithm that cuBLASLt's heuristic gives is taken. Choosing by time gains 1 to 2.5 % of a step, and makes the bits of a
//! result depend on the run.

use std::{collections::HashMap, ffi::c_void};

use cudarc::{
    cublaslt::{
        result::{self as lt, CublasError},
        sys::{
            self, cublasComputeType_t as Compute, cublasLtEpilogue_t as Epilogue,
            cublasLtMatmulDescAttributes_t as Attribute,
            cublasLtMatmulPreferenceAttributes_t as Preference, cublasStatus_t as Status,
            cudaDataType_t as Type,
        },
    },
    driver::{result as cuda, sys::CUstream},
};

use super::with_memory;
use crate::{
    Error, Result,
    gpu::{Address, Numbers, Product, ProductKind, ProductShape},
};

/// Memory that algorithms may use.
pub(crate) const WORKSPACE: usize = 32 << 20;

struct Plan {
    description: sys::cublasLtMatmulDesc_t,
    a: sys::cublasLtMatrixLayout_t,
    b: sys::cublasLtMatrixLayout_t,
    to: sys::cublasLtMatrixLayout_t,
    algorithm: sys::cublasLtMatmulAlgo_t,
}

pub(super) struct Products {
    handle: sys::cublasLtHandle_t,
    workspace: Address,
    plans: HashMap<ProductShape, Plan>,
}

// SAFETY: the handles may be used by any thread that has the context; one at a time has them.
#[expect(unsafe_code, reason = "see above")]
unsafe impl Send for Products {}

fn failed(error: CublasError) -> Error {
    Error::Call { what: "a matrix product", message: format!("cuBLASLt says {:?}", error.0) }
}

impl Products {
    /// The context must be bound to this thread.
    #[expect(unsafe_code, reason = "a call of the driver")]
    pub fn new() -> Result<Self> {
        // SAFETY: the memory is given back by `free`.
        let workspace = unsafe { cuda::malloc_sync(WORKSPACE) }
            .map_err(with_memory("memory for matrix products cannot be taken"))?;
        let handle = lt::create_handle().map_err(|error| match error.0 {
            Status::CUBLAS_STATUS_ALLOC_FAILED | Status::CUBLAS_STATUS_NOT_INITIALIZED => {
                Error::Full { what: "cuBLASLt cannot be opened" }
            }
            _ => failed(error),
        });
        if handle.is_err() {
            // SAFETY: nobody uses it.
            let _ = unsafe { cuda::free_sync(workspace) };
        }
        Ok(Self { handle: handle?, workspace, plans: HashMap::new() })
    }

    #[expect(unsafe_code, reason = "a call into an open library")]
    pub fn multiply(&mut self, stream: CUstream, product: Product) -> Result<()> {
        let Product { shape, a, b, to, bias } = product;
        if !self.plans.contains_key(&shape) {
            let plan = Plan::new(self.handle, shape, bias)?;
            self.plans.insert(shape, plan);
        }
        let plan = &self.plans[&shape];
        if shape.kind == ProductKind::ForwardBias {
            // The pointer is read at the call, so one description serves all layers of a shape.
            set(plan.description, Attribute::CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias)?;
        }
        let (one, zero) = (1f32, 0f32);
        // SAFETY: operands have the sizes of their layouts; the workspace is used by one stream only.
        unsafe {
            lt::matmul(
                self.handle,
                plan.description,
                std::ptr::from_ref(&one).cast(),
                std::ptr::from_ref(&zero).cast(),
                a as *const c_void,
                plan.a,
                b as *const c_void,
                plan.b,
                to as *mut c_void,
                plan.to,
                to as *mut c_void,
                plan.to,
                &raw const plan.algorithm,
                self.workspace as *mut c_void,
                WORKSPACE,
                stream.cast(),
            )
        }
        .map_err(failed)
    }

    /// Gives everything back.
    #[expect(unsafe_code, reason = "calls into open libraries")]
    pub fn free(&mut self) {
        // SAFETY: the handles are not used after this.
        unsafe {
            for (_, plan) in self.plans.drain() {
                for layout in [plan.a, plan.b, plan.to] {
                    let _ = lt::destroy_matrix_layout(layout);
                }
                let _ = lt::destroy_matmul_desc(plan.description);
            }
            let _ = lt::destroy_handle(self.handle);
            let _ = cuda::free_sync(self.workspace);
        }
    }
}

impl Plan {
    /// Describes a product and asks for an algorithm.
    #[expect(unsafe_code, reason = "calls into an open library")]
    fn new(handle: sys::cublasLtHandle_t, shape: ProductShape, bias: Address) -> Result<Self> {
        let ProductShape { kind, numbers, rows, inputs, outputs } = shape;
        let (rows, inputs, outputs) = (rows as u64, inputs as u64, outputs as u64);
        let (of, compute) = match numbers {
            Numbers::F32 => (Type::CUDA_R_32F, Compute::CUBLAS_COMPUTE_32F),
            Numbers::Tf32 => (Type::CUDA_R_32F, Compute::CUBLAS_COMPUTE_32F_FAST_TF32),
            Numbers::Bf16 => (Type::CUDA_R_16BF, Compute::CUBLAS_COMPUTE_32F),
        };
        // Columns by rows of a and b as they are in memory, whether each is turned, and of the result.
        let (a, b, turned, to, result) = match kind {
            ProductKind::Forward | ProductKind::ForwardBias => {
                ((inputs, outputs), (inputs, rows), (true, false), (outputs, rows), of)
            }
            ProductKind::Inputs => {
                ((inputs, outputs), (outputs, rows), (false, false), (inputs, rows), of)
            }
            ProductKind::Weights => (
                (inputs, rows),
                (outputs, rows),
                (false, true),
                (inputs, outputs),
                Type::CUDA_R_32F,
            ),
        };
        let layout = |of, (columns, rows): (u64, u64)| {
            lt::create_matrix_layout(of, columns, rows, columns as i64).map_err(failed)
        };
        let (a, b, to) = (layout(of, a)?, layout(of, b)?, layout(result, to)?);
        let description = lt::create_matmul_desc(compute, Type::CUDA_R_32F).map_err(failed)?;
        set(description, Attribute::CUBLASLT_MATMUL_DESC_TRANSA, &i32::from(turned.0))?;
        set(description, Attribute::CUBLASLT_MATMUL_DESC_TRANSB, &i32::from(turned.1))?;
        if kind == ProductKind::ForwardBias {
            let epilogue = Epilogue::CUBLASLT_EPILOGUE_BIAS;
            set(description, Attribute::CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue)?;
            set(description, Attribute::CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias)?;
        }
        let preference = lt::create_matmul_pref().map_err(failed)?;
        // SAFETY: attributes are read during the calls; the heuristic writes one result.
        let found = unsafe {
            let bytes = std::ptr::from_ref(&WORKSPACE).cast::<c_void>();
            let most = Preference::CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES;
            lt::set_matmul_pref_attribute(preference, most, bytes, size_of::<usize>())
                .map_err(failed)?;
            let found =
                lt::get_matmul_algo_heuristic(handle, description, a, b, to, to, preference);
            let _ = lt::destroy_matmul_pref(preference);
            found
        };
        let found = found.map_err(|error| Error::Call {
            what: "a matrix product",
            message: format!("cuBLASLt has no algorithm for {shape:?} ({:?})", error.0),
        })?;
        Ok(Self { description, a, b, to, algorithm: found.algo })
    }
}

#[expect(unsafe_code, reason = "a call into an open library")]
fn set<T>(description: sys::cublasLtMatmulDesc_t, attribute: Attribute, value: &T) -> Result<()> {
    // SAFETY: the value is read during the call, with its own size.
    unsafe {
        let bytes = std::ptr::from_ref(value).cast();
        lt::set_matmul_desc_attribute(description, attribute, bytes, size_of::<T>())
    }
    .map_err(failed)
}
