// Loads a SavedModel as TF Serving does and replays requests in several threads.
//
//   loader MODEL_DIR REQUESTS NUM_WARMUP NUM_THREADS OUTPUT_DIR
//
// REQUESTS is a TFRecord file of PredictionLog, as tf_serving_warmup_requests. The
// first NUM_WARMUP of them run before the memory is measured. Prints a line for each
// request, its number, the code of its status and the message, and then the resident
// memory in KiB after the warm-up and at the end. Each output of a request that went
// well is written to OUTPUT_DIR, if that is not "-", as a TensorProto.

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tensorflow/cc/saved_model/loader.h"
#include "tensorflow/core/framework/tensor.h"
#include "tensorflow/core/framework/tensor.pb.h"
#include "tensorflow/core/lib/io/record_reader.h"
#include "tensorflow/core/platform/env.h"
#include "tensorflow/core/public/session.h"

namespace {

struct Request {
  std::string signature;
  std::map<std::string, tensorflow::Tensor> inputs;
};

// The wheel has no headers of TF Serving's protocol buffers: the few fields that
// matter are read from the wire, where each is a number, a length and bytes.
std::vector<std::pair<int, std::string>> Fields(const std::string& message) {
  std::vector<std::pair<int, std::string>> fields;
  size_t at = 0;
  auto varint = [&]() {
    uint64_t value = 0;
    for (int shift = 0; at < message.size(); shift += 7) {
      const uint8_t byte = message[at++];
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (!(byte & 0x80)) break;
    }
    return value;
  };
  while (at < message.size()) {
    const uint64_t key = varint();
    const uint64_t value = varint();
    if ((key & 7) != 2) continue;  // A number.
    fields.emplace_back(key >> 3, message.substr(at, value));
    at += value;
  }
  return fields;
}

// PredictionLog.predict_log is 6, PredictLog.request 1; PredictRequest.model_spec is 1
// with signature_name 3, and inputs are 2, each entry a key 1 and a value 2.
Request ParseRequest(const std::string& record) {
  Request request;
  for (const auto& [log_field, log] : Fields(record)) {
    if (log_field != 6) continue;
    for (const auto& [predict_field, predict] : Fields(log)) {
      if (predict_field != 1) continue;
      for (const auto& [field, value] : Fields(predict)) {
        if (field == 1) {
          for (const auto& [spec_field, name] : Fields(value)) {
            if (spec_field == 3) request.signature = name;
          }
        } else if (field == 2) {
          std::string key;
          tensorflow::TensorProto proto;
          for (const auto& [entry_field, bytes] : Fields(value)) {
            if (entry_field == 1) key = bytes;
            if (entry_field == 2) proto.ParseFromString(bytes);
          }
          tensorflow::Tensor tensor;
          if (tensor.FromProto(proto)) request.inputs[key] = tensor;
        }
      }
    }
  }
  return request;
}

long ResidentKib() {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("VmRSS:", 0) == 0) return std::stol(line.substr(6));
  }
  return -1;
}

class Model {
 public:
  explicit Model(const std::string& path) {
    const auto status = tensorflow::LoadSavedModel(
        tensorflow::SessionOptions(), tensorflow::RunOptions(), path, {"serve"},
        &bundle_);
    if (!status.ok()) {
      std::cerr << status.ToString() << std::endl;
      std::exit(1);
    }
  }

  // What TF Serving's Predict does: names to tensors, and one run of the session.
  std::string Run(int number, const Request& request, const std::string& output_dir) {
    const auto& signatures = bundle_.GetSignatures();
    const auto found = signatures.find(request.signature);
    if (found == signatures.end()) return "5 no signature " + request.signature;
    std::vector<std::pair<std::string, tensorflow::Tensor>> feeds;
    for (const auto& [key, info] : found->second.inputs()) {
      const auto input = request.inputs.find(key);
      if (input == request.inputs.end()) return "3 no input " + key;
      feeds.emplace_back(info.name(), input->second);
    }
    std::vector<std::string> keys, fetches;
    for (const auto& [key, info] : found->second.outputs()) {
      keys.push_back(key);
      fetches.push_back(info.name());
    }
    std::vector<tensorflow::Tensor> outputs;
    const auto status = bundle_.GetSession()->Run(feeds, fetches, {}, &outputs);
    if (!status.ok()) {
      std::string message(status.message());
      for (char& letter : message) letter = letter == '\n' ? ' ' : letter;
      return std::to_string(static_cast<int>(status.code())) + " " + message;
    }
    for (size_t i = 0; output_dir != "-" && i < keys.size(); ++i) {
      tensorflow::TensorProto proto;
      outputs[i].AsProtoTensorContent(&proto);
      std::ofstream file(output_dir + "/" + std::to_string(number) + "_" + keys[i],
                         std::ios::binary);
      file << proto.SerializeAsString();
    }
    return "0 ok";
  }

 private:
  tensorflow::SavedModelBundle bundle_;
};

std::vector<Request> ReadRequests(const std::string& path) {
  std::unique_ptr<tensorflow::RandomAccessFile> file;
  std::vector<Request> requests;
  if (!tensorflow::Env::Default()->NewRandomAccessFile(path, &file).ok()) {
    return requests;
  }
  tensorflow::io::RecordReader reader(file.get());
  tensorflow::uint64 offset = 0;
  for (tensorflow::tstring record; reader.ReadRecord(&offset, &record).ok();) {
    requests.push_back(ParseRequest(record));
  }
  return requests;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) return 2;
  Model model(argv[1]);
  const std::vector<Request> requests = ReadRequests(argv[2]);
  const size_t num_warmup = std::stoul(argv[3]);
  const int num_threads = std::stoi(argv[4]);
  std::mutex mutex;
  auto run = [&](size_t from, size_t to) {
    std::atomic<size_t> next(from);
    std::vector<std::thread> threads;
    for (int i = 0; i < num_threads; ++i) {
      threads.emplace_back([&] {
        for (size_t number = next++; number < to; number = next++) {
          const std::string line = model.Run(number, requests[number], argv[5]);
          std::lock_guard<std::mutex> lock(mutex);
          std::cout << number << " " << line << std::endl;
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  };
  run(0, num_warmup);
  const long before = ResidentKib();
  run(num_warmup, requests.size());
  std::cout << "memory " << before << " " << ResidentKib() << std::endl;
  return 0;
}
