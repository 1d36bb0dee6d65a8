module gatehouse/bench

go 1.26.8

replace gatehouse => ../
