// SPDX-License-Identifier: Apache-2.0
/**
 * Adapters of low rank (LoRA) in the layout of Hugging Face's PEFT: read, folded into the model
 * they were trained for, added up, written.
 */
package org.merganser.lora;
