// SPDX-License-Identifier: Apache-2.0
// The name of a kernel. Kernels are local to their file, so the table of dynamic symbols lacks them; the symbol table
// of the file has them.
#include <cxxabi.h>
#include <dlfcn.h>
#include <elf.h>
#include <link.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>

#include "standin.h"

namespace standin {

namespace {

std::string demangled(const char* name) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> text(abi::__cxa_demangle(name, nullptr, nullptr, &status), &std::free);
  return text ? text.get() : name;
}

// Of the symbol at an address of the file, or "".
std::string symbol_at(const std::string& file, uint64_t address) {
  std::ifstream in(file, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  if (bytes.size() < sizeof(ElfW(Ehdr))) return "";
  const auto* header = reinterpret_cast<const ElfW(Ehdr)*>(bytes.data());
  const auto* sections = reinterpret_cast<const ElfW(Shdr)*>(bytes.data() + header->e_shoff);
  for (int s = 0; s < header->e_shnum; ++s) {
    if (sections[s].sh_type != SHT_SYMTAB) continue;
    const auto* symbols = reinterpret_cast<const ElfW(Sym)*>(bytes.data() + sections[s].sh_offset);
    const char* names = bytes.data() + sections[sections[s].sh_link].sh_offset;
    for (size_t i = 0; i < sections[s].sh_size / sizeof *symbols; ++i) {
      if (symbols[i].st_value == address && (symbols[i].st_info & 0xf) == STT_FUNC) {
        return demangled(names + symbols[i].st_name);
      }
    }
  }
  return "";
}

}  // namespace

std::string name_of(const void* function) {
  Dl_info info;
  if (dladdr(function, &info) == 0 || !info.dli_fname) return "an unknown kernel";
  std::string name = symbol_at(info.dli_fname, reinterpret_cast<uintptr_t>(function) -
                                                   reinterpret_cast<uintptr_t>(info.dli_fbase));
  for (const char* noise : {"(anonymous namespace)::", "merganser::cuda::"}) {
    for (size_t at; (at = name.find(noise)) != std::string::npos;) name.erase(at, std::string(noise).size());
  }
  return name.empty() ? "an unknown kernel" : name.substr(0, name.find('('));
}

}  // namespace standin
