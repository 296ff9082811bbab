/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the library has for its tests and benchmarks alone, by the conventions of merganser.h. No part of the C ABI: it
 * may change or go with any version.
 */
#ifndef MERGANSER_TESTING_H
#define MERGANSER_TESTING_H

#include "merganser.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Forces parts of the solver, for tests and measurements; every route gives an optimum. A sum of bits; 0 chooses by
 * the problem. */
typedef enum mg_assignment_routes {
  MG_ASSIGNMENT_LISTS = 1,         /* candidate lists for small problems too */
  MG_ASSIGNMENT_SHORT_LISTS = 2,   /* 8 entries, so that lists run out */
  MG_ASSIGNMENT_GREEDY = 4,        /* tight-edge greedy always */
  MG_ASSIGNMENT_NO_REDUCTION = 8,  /* no row reduction: paths do its work */
  MG_ASSIGNMENT_AUCTION = 16,      /* auction when a row is still free */
  MG_ASSIGNMENT_SPARSE = 32,       /* sparse paths to the end */
  MG_ASSIGNMENT_DENSE = 64         /* dense paths only */
} mg_assignment_routes;
MG_API int32_t mg_assignment_route(mg_context* context, int32_t route);

/* What the last assignment of this context did, sums over a batch: rows left free by column reduction, by the greedy
 * phase; row reduction steps; rows left free by it; auction steps; lists built; whole-row scans; sparse paths; dense
 * paths; rows relaxed over all columns. */
#define MG_ASSIGNMENT_COUNTERS 10
MG_API int32_t mg_assignment_counters(mg_context* context, int64_t* counters);

/* out_j = in_0 ^ in_1 ^ ... for every j, 1 to 8 arrays in, 0 to 8 out, past the caches: the rate at which memory can be
 * read and written in this mix, for benchmarks. `bytes` is a multiple of 64 and so are the addresses. */
MG_API int32_t mg_bandwidth(mg_context* context, int64_t bytes, int32_t reads, const void* const* in, int32_t writes,
                         void* const* out);

#ifdef __cplusplus
}
#endif

#endif
