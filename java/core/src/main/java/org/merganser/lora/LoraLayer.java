// SPDX-License-Identifier: Apache-2.0
package org.merganser.lora;

import java.util.ArrayList;
import java.util.List;
import org.merganser.io.TensorInfo;

/**
 * The factors that an adapter has for one module: its weight W [out x in] becomes {@code W + scale
 * B A}, A [r x in], B [out x r]. Of a convolution, in is that of all the elements of a filter. Of
 * an embedding, whose weight is [in x out], and of layers that are stored so, it is the transpose.
 *
 * <p>An attention of torch ({@code nn.MultiheadAttention}) has no layer of its own for queries,
 * keys and values; PEFT gives that attention one pair of factors for all three, [3 features x
 * features], and always another one for what comes out, {@code out_proj}.
 *
 * @param module as the base names it
 * @param target the tensor of the base that it changes
 * @param embedding whether these are factors of an embedding
 * @param a name of A in the adapter
 * @param b name of B
 * @param aInfo its shape, [r, in] or [r, in, height, width]
 * @param bInfo its shape, [out, r] or [out, r, 1, 1]
 * @param scale of the product
 */
public record LoraLayer(
    String module,
    String target,
    boolean embedding,
    String a,
    String b,
    TensorInfo aInfo,
    TensorInfo bInfo,
    double scale) {

  /** Whether it is what comes out of an attention that has factors too: PEFT names both by that. */
  boolean isPartOfAttention() {
    return a.endsWith(LoraNames.OUT_OF_ATTENTION + ".lora_A.weight");
  }

  public long rank() {
    return aInfo.dim(0);
  }

  /** Elements of a row of A. */
  public long in() {
    return aInfo.size() / rank();
  }

  public long out() {
    return bInfo.dim(0);
  }

  /** Of the change, as the module computes it. */
  public List<Long> shape() {
    List<Long> shape = new ArrayList<>(aInfo.shape());
    shape.set(0, out());
    return shape;
  }

  /** Of a weight that is stored the other way round. */
  public List<Long> transposedShape() {
    return List.of(in(), out());
  }
}
