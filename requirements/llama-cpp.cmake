# How the tests' llama.cpp is built (read by its build through CMAKE_PROJECT_INCLUDE): the library alone, quickly.
# Plain variables, because llama-cpp-python overwrites the cached ones.
set(LLAMA_BUILD_COMMON OFF)
set(LLAVA_BUILD OFF)
set(GGML_NATIVE OFF)
set(GGML_OPENMP OFF)
set(GGML_LLAMAFILE OFF)
set(GGML_CPU_REPACK OFF)
set(CMAKE_C_FLAGS_RELEASE "-O1")
set(CMAKE_CXX_FLAGS_RELEASE "-O1")
