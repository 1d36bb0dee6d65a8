// This file is empty. With it the compiler lets argon2.go declare functions
// whose bodies are in another package.
