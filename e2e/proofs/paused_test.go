package proofs

const envService = "GATEHOUSE_PROOF_SERVICE"

func serveAsService() int { return 0 }
