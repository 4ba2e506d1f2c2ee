/*
 * The C API of Sluice: load a network from an ONNX file, and run it on the caller's memory.
 *
 * Errors. A function that returns a sluice_status has failed where that is not SLUICE_OK. A
 * function that returns a pointer has failed where that is NULL. Of the numbers, a count is 0 and
 * an extent or a type is 0 after a failure. No function ends the process or throws.
 * sluice_last_error() says in words what was wrong in the calling thread. After a failure what a
 * call would have written is as it was, but for the handle of a function that makes one, which is
 * NULL.
 *
 * Ownership. What sluice_*_create and sluice_model_load make, the caller destroys. Destroying NULL
 * does nothing. Handles and strings that other functions return belong to the handle that they were
 * asked of, and live as long as it, unless said otherwise. Strings are UTF-8, as in the file, and
 * end with 0.
 *
 * Threads. A model is immutable: any number of threads may use one at the same time, and destroy it
 * while sessions still run it. Options and sessions are for one thread at a time.
 */
#ifndef SLUICE_SLUICE_H
#define SLUICE_SLUICE_H

#include <stddef.h>
#include <stdint.h>

#include "sluice/version.h"

#if defined(__GNUC__)
#define SLUICE_API __attribute__((visibility("default")))
#else
#define SLUICE_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the library, "0.1.0", and as SLUICE_VERSION_NUMBER counts it. They differ from
 * those of sluice/version.h where a program runs with another library than it was compiled for. */
SLUICE_API const char* sluice_version(void);
SLUICE_API int sluice_version_number(void);

/* ---- Errors ---------------------------------------------------------------------------------- */

typedef enum sluice_status {
    SLUICE_OK = 0,
    /* A pointer is NULL, there is no such index or name, or a number is out of its range. */
    SLUICE_ERROR_ARGUMENT = 1,
    /* The model cannot be used: its file, an operator of it, or the target in the options. */
    SLUICE_ERROR_MODEL = 2,
    /* The session cannot be made: its number of threads, or the memory or the threads that it
       takes. */
    SLUICE_ERROR_SESSION = 3,
    /* The tensors of a run do not fit the model: their number, names, types, shapes or sizes. */
    SLUICE_ERROR_TENSOR = 4,
    /* There is no memory. Where a model or a session needs it, their own errors say so. */
    SLUICE_ERROR_MEMORY = 5,
    /* A fault of Sluice. */
    SLUICE_ERROR_INTERNAL = 6
} sluice_status;

/* What was wrong in the last call of this thread that failed, on one line: "file: node: fault;
 * remedy". Empty where none has failed. Calls that succeed leave it as it is. Never NULL. The four
 * strings live until the next failure in this thread, or its end. */
SLUICE_API const char* sluice_last_error(void);
/* Parts of it, empty where they do not apply: the path of the model, the name of an ONNX node or of
 * an input or output, and what the caller can do. */
SLUICE_API const char* sluice_last_error_file(void);
SLUICE_API const char* sluice_last_error_node(void);
SLUICE_API const char* sluice_last_error_remedy(void);

/* ---- Options of a model ---------------------------------------------------------------------- */

typedef struct sluice_model_options sluice_model_options;

/* Options as they are without any: see the setters. NULL where there is no memory. */
SLUICE_API sluice_model_options* sluice_model_options_create(void);
SLUICE_API void sluice_model_options_destroy(sluice_model_options* options);

/* The kernels to use: "avx2" or another target of this build. "", as without this call: the
 * environment variable SLUICE_TARGET, else the best that this CPU runs. A target that there is not,
 * or that the CPU does not run, fails in sluice_model_load. */
SLUICE_API sluice_status sluice_model_options_set_target(sluice_model_options* options,
                                                         const char* target);
/* Whether convolutions may be computed by Winograd's minimal filtering, which is faster and rounds
 * coarser, to 1e-5 of the largest value; 1 unless set. Not 0 counts as 1. */
SLUICE_API sluice_status sluice_model_options_set_winograd(sluice_model_options* options,
                                                           int allowed);
/* Whether a quantised file is computed on bytes; 1 unless set. With 0 its layers are computed in
 * float32, and scores differ by the roundings of the file. */
SLUICE_API sluice_status sluice_model_options_set_int8(sluice_model_options* options, int allowed);
/* Height and width, at least 1 each, of the inputs [N, C, H, W] whose file leaves them symbolic. A
 * file that leaves them so is refused without. */
SLUICE_API sluice_status sluice_model_options_set_size(sluice_model_options* options,
                                                       int64_t height, int64_t width);

/* ---- Models ---------------------------------------------------------------------------------- */

/* A network, read, planned and packed for one target. */
typedef struct sluice_model sluice_model;

/* Reads an ONNX file (opset 7 to 24) into *model. `path` is in the encoding of the file system.
 * `options` may be NULL; they are copied. Large weights are packed by several threads, which end
 * before it returns. */
SLUICE_API sluice_status sluice_model_load(const char* path, const sluice_model_options* options,
                                           sluice_model** model);
/* Its sessions go on: each holds what it needs of its model. */
SLUICE_API void sluice_model_destroy(sluice_model* model);

/* Elements of inputs and outputs, by ONNX's numbers. */
typedef enum sluice_type { SLUICE_FLOAT32 = 1, SLUICE_UINT8 = 2, SLUICE_INT8 = 3 } sluice_type;

/* An input or output: dense, row-major, in ONNX's order (NCHW for images). */
typedef struct sluice_tensor_info sluice_tensor_info;

SLUICE_API size_t sluice_model_input_count(const sluice_model* model);
SLUICE_API size_t sluice_model_output_count(const sluice_model* model);
/* The input or output number `index`, from 0 in the file's order. */
SLUICE_API const sluice_tensor_info* sluice_model_input(const sluice_model* model, size_t index);
SLUICE_API const sluice_tensor_info* sluice_model_output(const sluice_model* model, size_t index);

SLUICE_API const char* sluice_tensor_info_name(const sluice_tensor_info* info);
SLUICE_API sluice_type sluice_tensor_info_type(const sluice_tensor_info* info);
/* The number of its axes; 0 of a scalar. */
SLUICE_API size_t sluice_tensor_info_rank(const sluice_tensor_info* info);
/* Its extent along `axis`, in elements; -1 of axis 0 where any number of images is accepted. */
SLUICE_API int64_t sluice_tensor_info_extent(const sluice_tensor_info* info, size_t axis);
/* What the file calls the extent: "N"; "" where it has no name. */
SLUICE_API const char* sluice_tensor_info_axis_name(const sluice_tensor_info* info, size_t axis);

/* ONNX's metadata_props: the exporter's labels and normalisation among them, sorted by key. */
SLUICE_API size_t sluice_model_metadata_count(const sluice_model* model);
SLUICE_API sluice_status sluice_model_metadata_entry(const sluice_model* model, size_t index,
                                                     const char** key, const char** value);
/* The value of `key`; NULL where the file has none, which sets the error too. */
SLUICE_API const char* sluice_model_metadata(const sluice_model* model, const char* key);

/* The target that its kernels were compiled for. */
SLUICE_API const char* sluice_model_target(const sluice_model* model);
/* MACs per image of the network without its LCCL branches, and of those. -1 after a failure. */
SLUICE_API int64_t sluice_model_macs(const sluice_model* model);
SLUICE_API int64_t sluice_model_lccl_macs(const sluice_model* model);
/* The plan, a line per step: kernel, shape, target, packed bytes, and why a gate was not fused. */
SLUICE_API const char* sluice_model_explain(const sluice_model* model);

/* A gated layer. Where its gate is zero the convolution is skipped, and counts as zero. */
typedef struct sluice_gate_info sluice_gate_info;

SLUICE_API size_t sluice_model_gate_count(const sluice_model* model);
SLUICE_API const sluice_gate_info* sluice_model_gate(const sluice_model* model, size_t index);

/* The name of the gated convolution's ONNX node. */
SLUICE_API const char* sluice_gate_info_layer(const sluice_gate_info* gate);
/* How many maps it has: 1 (per position), a number of groups (per channel group), or one for each
 * channel (per element). Their height and width, in gates. */
SLUICE_API int64_t sluice_gate_info_groups(const sluice_gate_info* gate);
SLUICE_API int64_t sluice_gate_info_height(const sluice_gate_info* gate);
SLUICE_API int64_t sluice_gate_info_width(const sluice_gate_info* gate);
/* The output pixels along each side that one gate governs. */
SLUICE_API int64_t sluice_gate_info_grid(const sluice_gate_info* gate);
/* MACs per image of the convolution with nothing skipped. */
SLUICE_API int64_t sluice_gate_info_macs(const sluice_gate_info* gate);
/* 1 where it skips; 0 where all is computed and then multiplied by the gate, and after a failure.
 */
SLUICE_API int sluice_gate_info_skips(const sluice_gate_info* gate);

/* The steps of the plan, in the order of their runs: the name of the ONNX node that a step computes
 * or computes a part of, its kernel and its shape. Any of the three may be NULL. */
SLUICE_API size_t sluice_model_step_count(const sluice_model* model);
SLUICE_API sluice_status sluice_model_step(const sluice_model* model, size_t index,
                                           const char** node, const char** kernel,
                                           const char** shape);

/* ---- Options of a session -------------------------------------------------------------------- */

typedef struct sluice_session_options sluice_session_options;

/* Options as they are without any: see the setters. NULL where there is no memory. */
SLUICE_API sluice_session_options* sluice_session_options_create(void);
SLUICE_API void sluice_session_options_destroy(sluice_session_options* options);

/* Threads that run together, the caller's own among them; 1 unless set. A batch is shared out by
 * images, a single image by the work within its layers. sluice_session_create checks the number. */
SLUICE_API sluice_status sluice_session_options_set_threads(sluice_session_options* options,
                                                            int threads);
/* Whether a run keeps the values of the gates; 0 unless set. */
SLUICE_API sluice_status sluice_session_options_set_record_gates(sluice_session_options* options,
                                                                 int record);
/* Whether a run times its steps; 0 unless set. It costs two readings of the clock per step. */
SLUICE_API sluice_status sluice_session_options_set_record_steps(sluice_session_options* options,
                                                                 int record);

/* ---- Sessions -------------------------------------------------------------------------------- */

/* Memory and threads to run one model, one run at a time. */
typedef struct sluice_session sluice_session;

/* A session of `model` into *session. `options` may be NULL; they are copied. */
SLUICE_API sluice_status sluice_session_create(const sluice_model* model,
                                               const sluice_session_options* options,
                                               sluice_session** session);
SLUICE_API void sluice_session_destroy(sluice_session* session);

/* The caller's memory for an input or output: dense, row-major, in ONNX's order. It must not
 * overlap that of another tensor of the run, and needs no alignment beyond that of its elements.
 * These two structs stay as they are. */
typedef struct sluice_input {
    const char* name; /* NULL: its place in the list says which one it is */
    sluice_type type; /* of the elements; the model's own, since nothing is converted */
    size_t rank;      /* the number of axes */
    const int64_t*
        shape; /* `rank` extents, the same batch in all tensors; may be NULL where rank is 0 */
    const void* data;
    size_t bytes; /* of `data`: what shape and type take, no more and no less */
} sluice_input;

typedef struct sluice_output {
    const char* name;
    sluice_type type;
    size_t rank;
    const int64_t* shape;
    void* data; /* written by the run */
    size_t bytes;
} sluice_output;

/* Runs the model on all its inputs, and writes all its outputs. Of each list, all tensors have
 * names, in any order, or none has, and they stand in the model's order. Fails with
 * SLUICE_ERROR_TENSOR, naming the tensor, the shape it has and the shape it needs; then nothing has
 * run. It allocates no memory unless it fails. NaN and infinities are computed with as
 * sluice/session.h says. */
SLUICE_API sluice_status sluice_session_run(sluice_session* session, const sluice_input* inputs,
                                            size_t input_count, const sluice_output* outputs,
                                            size_t output_count);

/* MACs of the last run, all images together, LCCL branches included; 0 before any. -1 after a
 * failure. */
SLUICE_API int64_t sluice_session_macs_executed(const sluice_session* session);

/* What gate number `index` of the model let through in the last run, for its last image: of `total`
 * gates, `active` were not zero; the density is active / total. `*values` ([groups, height, width])
 * belongs to the session and holds until its next run; NULL unless the session records gates. Any
 * of the three may be NULL. */
SLUICE_API sluice_status sluice_session_gate(const sluice_session* session, size_t index,
                                             int64_t* active, int64_t* total, const float** values);

/* What step number `index` of the model took in the last run, all images together: seconds, and
 * MACs executed. Either may be NULL. Fails unless the session records steps. */
SLUICE_API sluice_status sluice_session_step(const sluice_session* session, size_t index,
                                             double* seconds, int64_t* macs);

#ifdef __cplusplus
}
#endif

#endif
