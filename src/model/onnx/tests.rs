#[test]
fn by_hand() {
    let mut files: Vec<_> = std::fs::read_dir("/tmp/onnxw/m").unwrap().map(|e| e.unwrap().path()).filter(|p| p.extension().is_some_and(|e| e == "onnx" || e == "pt2")).collect();
    files.sort();
    for path in files {
        let name = path.file_name().unwrap().to_str().unwrap().to_string();
        let t = std::time::Instant::now();
        let file = match crate::model::TensorFile::open(&path) { Ok(f) => f, Err(e) => { println!("{name}: OPEN {e}"); continue; } };
        let opened = t.elapsed();
        let t = std::time::Instant::now();
        let flow = match file.dataflow() { Ok(f) => f.unwrap().live(), Err(e) => { println!("{name}: FLOW {e}"); continue; } };
        let flowed = t.elapsed();
        let convs = flow.operations.iter().filter(|o| matches!(o.kind, crate::dataflow::Kind::Convolution { .. })).count();
        let dense = flow.operations.iter().filter(|o| matches!(o.kind, crate::dataflow::Kind::Dense { .. })).count();
        let channels: usize = flow.operations.iter().map(|o| match &o.kind { crate::dataflow::Kind::Convolution { weight, .. } => weight.shape[0], _ => 0 }).sum();
        let bn = flow.operations.iter().filter(|o| matches!(o.kind, crate::dataflow::Kind::BatchNorm { .. })).count();
        let adds = flow.operations.iter().filter(|o| matches!(o.kind, crate::dataflow::Kind::Add)).count();
        let cats = flow.operations.iter().filter(|o| matches!(o.kind, crate::dataflow::Kind::Concat)).count();
        let flat = flow.operations.iter().filter(|o| matches!(o.kind, crate::dataflow::Kind::Flatten)).count();
        match flow.channels(&name) {
            Ok(c) => println!("{name}: ok {convs} convs {channels} channels {dense} dense {bn} bn {adds} adds {cats} cats {flat} flat out {:?} open {opened:?} flow {flowed:?}", c[flow.outputs[0]]),
            Err(e) => println!("{name}: {convs} convs {dense} dense ERR {e}"),
        }
    }
}
