// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.error.FormatException;

/**
 * Odd headers, each read or refused by safetensors 0.8 (Python, {@code safe_open}) as it is here.
 * {@code T} stands for a tensor's description.
 */
class SafetensorsOddHeadersTest {
  private static final String T = "{'dtype':'F32','shape':[1],'data_offsets':[0,4]}";

  @TempDir Path folder;

  private Path file(String header) throws IOException {
    return Headers.write(
        folder.resolve("m.safetensors"), header.replace("T", T).replace('\'', '"'), 4);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{'__metadata__':null,'a':T}",
        "{'__metadata__':{},'a':T}",
        "{'__metadata__':{'k':'1','k':'2'},'a':T}",
        "{'__metadata__':{'dtype':'F32'},'a':T}",
        "{'a':{'dtype':'F32','shape':[1],'data_offsets':[0,4],'strides':[1]}}",
        "{'a':{'x':null,'dtype':'F32','shape':[1],'data_offsets':[0,4]}}",
        "{'a':{'x':1,'x':{'y':[1,{'z':[[[[2]]]]}]},'dtype':'F32','shape':[1],'data_offsets':[0,4]}}",
        "{'':T}",
        " {'a':T}",
        "\n\t{'a':T} \r\n",
        "{'a\\ud83e\\udd86':T}",
        "{'a\\u001b[31m':T}",
        "{'a\\u0000':T}",
        "{'a':{'dty\\u0070e':'F32','shape':[1],'data_offsets':[0,4]}}",
        "{'a':T,'z':{'dtype':'F32','shape':[0],'data_offsets':[4,4]}}"
      })
  void read(String header) throws IOException {
    try (Checkpoint checkpoint = Safetensors.open(file(header))) {
      assertThat(checkpoint.tensors()).isNotEmpty();
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{'__metadata__':{'k':1},'a':T}",
        "{'__metadata__':{'k':null},'a':T}",
        "{'__metadata__':{'k':{}},'a':T}",
        "{'__metadata__':[],'a':T}",
        "{'__metadata__':{},'__metadata__':{},'a':T}",
        "{'a':{'dtype':'F32','dtype':'F32','shape':[1],'data_offsets':[0,4]}}",
        "{'a':{'dtype':'F32','shape':[1.0],'data_offsets':[0,4]}}",
        "{'a':{'dtype':'F32','shape':[1],'data_offsets':[-0,4]}}",
        "{'a':{'dtype':'F32','shape':null,'data_offsets':[0,4]}}",
        "{'a':{'dtype':'f32','shape':[1],'data_offsets':[0,4]}}",
        "{'a':['F32',[1],[0,4]]}",
        "{'x':null,'a':T}",
        "{'a\\ud800':T}",
        "{'a':T,'z\\udc00':{'dtype':'F32','shape':[0],'data_offsets':[4,4]}}",
        "{'__metadata__':{'k':'\\ud800'},'a':T}",
        "\ufeff{'a':T}",
        "{'a':T}\0",
        "{'a':T} x",
        "{'a':T,}",
        "{/**/'a':T}",
        "{'a':{'dtype':'F32','shape':[1],'data_offsets':[0,4],'x':NaN}}",
        "{'a':{'dtype':'F32','shape':[2],'data_offsets':[0,8]},"
            + "'z':{'dtype':'F32','shape':[0],'data_offsets':[4,4]}}"
      })
  void refused(String header) throws IOException {
    Path file = file(header);
    assertThatThrownBy(() -> Safetensors.open(file))
        .isInstanceOf(FormatException.class)
        .hasMessageStartingWith(file + ": ");
  }

  /** Of a tensor that is described twice that library takes the last; here nobody guesses. */
  @ParameterizedTest
  @ValueSource(strings = {"{'a':T,'a':T}", "{'\\u0061':T,'a':T}"})
  void strictOn(String header) throws IOException {
    Path file = file(header);
    assertThatThrownBy(() -> Safetensors.open(file))
        .hasMessage(file + ": tensor 'a' is described twice");
  }
}
