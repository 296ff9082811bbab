// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.data;

/**
 * Examples of each task.
 *
 * @param pretraining what a network is trained on before it is fine-tuned
 * @param train what it is fine-tuned on
 * @param heldOut what choices are made on, such as when to stop
 * @param test what results are measured on
 */
public record TaskSizes(int pretraining, int train, int heldOut, int test) {
  public TaskSizes {
    if (Math.min(Math.min(pretraining, train), Math.min(heldOut, test)) < 1) {
      throw new IllegalArgumentException(
          "a task needs at least 1 example of each part, not %d for pre-training, %d for training,"
                  .formatted(pretraining, train)
              + " %d held out and %d for the test".formatted(heldOut, test));
    }
  }
}
