// The smallest server: what bench_http measures beside hello.c.
package main

import (
	"io"
	"log"
	"net/http"
	"os"
)

func hello(w http.ResponseWriter, r *http.Request) {
	io.WriteString(w, "Hello, world\n")
}

func main() {
	http.HandleFunc("/", hello)
	log.Fatal(http.ListenAndServe(os.Args[1], nil))
}
