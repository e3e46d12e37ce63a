//! The folder layouts of data sets.

use serde::{Deserialize, Serialize};

/// The layout of a data set's folder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// One folder per split, containing one folder per class.
    #[default]
    ImageFolder,
    /// Tiny-ImageNet-200 as published: the validation images are in one folder, with a list of their classes.
    TinyImageNet,
    /// ImageNet as published: the validation images are in one folder, with a list of their classes beside.
    #[serde(rename = "imagenet")]
    ImageNet,
    /// ImageNet-100 as distributed on Kaggle: the training images are in four folders.
    #[serde(rename = "imagenet100_kaggle")]
    ImageNet100Kaggle,
    /// CIFAR-10, binary version.
    Cifar10,
    /// CIFAR-100, binary version; the fine labels are the classes.
    Cifar100,
    /// STL-10, binary version; only the labelled images.
    Stl10,
    /// The German traffic signs as originally published.
    Gtsrb,
    /// The German traffic signs as distributed on Kaggle.
    GtsrbKaggle,
    /// MNIST and data sets in its format: Fashion-MNIST, KMNIST, EMNIST.
    Idx,
    /// Parquet shards, as on Hugging Face: a row has the bytes of an image file and its label.
    Parquet,
    /// WebDataset shards: tar files in which an image and its label lie one behind the other.
    #[serde(rename = "webdataset")]
    WebDataset,
    /// Text files with the path and the label of each image.
    Lists,
    /// One folder per class; a share of each class is held out for validation.
    ClassFolders,
    /// No folder: the program draws the images itself.
    Drawn,
}

impl Layout {
    /// All layouts that a folder can have.
    pub const OF_FOLDERS: [Self; 14] = [
        Self::ImageFolder,
        Self::ClassFolders,
        Self::ImageNet,
        Self::ImageNet100Kaggle,
        Self::Parquet,
        Self::WebDataset,
        Self::Lists,
        Self::TinyImageNet,
        Self::Cifar10,
        Self::Cifar100,
        Self::Stl10,
        Self::Gtsrb,
        Self::GtsrbKaggle,
        Self::Idx,
    ];

    /// The name shown in pages and messages.
    pub fn title(self) -> &'static str {
        match self {
            Self::ImageFolder => "image folder",
            Self::TinyImageNet => "Tiny-ImageNet",
            Self::ImageNet => "ImageNet",
            Self::ImageNet100Kaggle => "ImageNet-100 (Kaggle)",
            Self::Parquet => "Parquet shards",
            Self::WebDataset => "WebDataset shards",
            Self::Lists => "lists of files",
            Self::ClassFolders => "folder of classes",
            Self::Cifar10 => "CIFAR-10 binary",
            Self::Cifar100 => "CIFAR-100 binary",
            Self::Stl10 => "STL-10 binary",
            Self::Gtsrb => "GTSRB",
            Self::GtsrbKaggle => "GTSRB (Kaggle)",
            Self::Idx => "MNIST (IDX)",
            Self::Drawn => "drawn by the program",
        }
    }

    /// The files and folders that a data set of this layout has.
    pub fn files(self) -> &'static str {
        match self {
            Self::ImageFolder => "train/<class>/* and val/<class>/* or test/<class>/*",
            Self::TinyImageNet => "train/<wnid>/images/*, val/images/*, val/val_annotations.txt",
            Self::ImageNet => {
                "train/<wnid>/*, val/*, and LOC_val_solution.csv, a list of wnids or the development kit"
            }
            Self::ImageNet100Kaggle => {
                "train.X1/<wnid>/* to train.X4/<wnid>/*, val.X/<wnid>/*, Labels.json"
            }
            Self::Parquet => "train-*.parquet and validation-*.parquet or test-*.parquet",
            Self::WebDataset => "*train*.tar and *val*.tar or *test*.tar",
            Self::Lists => {
                "train.csv and val.csv or test.csv with the columns path and label, or .txt with <path> <label>"
            }
            Self::ClassFolders => "<class>/*, with a share of them held out for validation",
            Self::Cifar10 => "data_batch_1.bin to data_batch_5.bin, test_batch.bin",
            Self::Cifar100 => "train.bin, test.bin",
            Self::Stl10 => "train_X.bin, train_y.bin, test_X.bin, test_y.bin",
            Self::Gtsrb => {
                "Final_Training/Images/<class>/*, Final_Test/Images/*, GT-final_test.csv"
            }
            Self::GtsrbKaggle => "Train/<class>/*, Test/*, Test.csv",
            Self::Idx => {
                "train-images-idx3-ubyte, train-labels-idx1-ubyte and t10k-… of both, or .gz of them"
            }
            Self::Drawn => "nothing",
        }
    }
}
